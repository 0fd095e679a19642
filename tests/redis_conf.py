"""The configuration of a redis-server of the tests' own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_server import RedisServer


def configuration(server: "RedisServer") -> str:
    """Return the lines of redis.conf for a server."""
    lines = {
        "bind": "127.0.0.1",
        "port": str(server.port),
        "unixsocket": str(server.path),
        "unixsocketperm": "700",
        "dir": str(server.folder),
        "save": '""',
        "appendonly": "no",
        "daemonize": "no",
        "databases": "4",
        "repl-diskless-sync-delay": "0",
    }
    if server.password:
        lines |= {"requirepass": server.password, "masterauth": server.password}
    if server.authority is not None:
        lines |= {
            "tls-port": str(server.tls_port),
            "tls-cert-file": "cert.pem",
            "tls-key-file": "key.pem",
            "tls-ca-cert-file": "ca.pem",
            "tls-auth-clients": "no",
        }
    if server.master is not None:
        lines["replicaof"] = f"127.0.0.1 {server.master.port}"
    if server.cluster:
        lines |= {
            "cluster-enabled": "yes",
            "cluster-port": str(server.bus),
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "2000",
        }
    if server.watches is not None:
        lines = {each: lines[each] for each in ("bind", "port", "unixsocket", "dir")}
        lines |= {"protected-mode": "no"}
    lines |= server.config
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    return text + _watching(server)


def _watching(server: "RedisServer") -> str:
    if server.watches is None:
        return ""
    secret = server.watches.password
    return "".join(
        f"sentinel {line}\n"
        for line in (
            f"monitor main 127.0.0.1 {server.watches.port} {server.quorum}",
            "down-after-milliseconds main 500",
            "failover-timeout main 3000",
            *([f"auth-pass main {secret}"] if secret else []),
        )
    )
