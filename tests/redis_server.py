"""A redis-server of the tests' own: on a unix socket, in a folder of its own, kept by nobody else.

It stores nothing on disk and is stopped by its own process id. It can be suspended, killed and
restarted; it can be a replica, a sentinel or a node of a cluster, and speak TLS.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import attrs
import pytest
import redis
import redis.asyncio
import trustme
from redis_conf import configuration

MISSING = "redis-server is missing: install it (Debian, Ubuntu: apt install redis-server)"
_PATIENCE = 10.0
_INHERIT = 'read -r _; kill -9 "$1"; rm -rf "$2"'
"""Ends a server, and removes its folder, when the process of the tests is there no more."""

_SPOILING = ("config|set", "acl|setuser", "replicaof", "slaveof", "shutdown", "failover")


def binary() -> str:
    """Return where redis-server is; without it skip the test, or fail it where CI is set."""
    found = shutil.which("redis-server")
    if found is None:
        stop = pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip
        stop(MISSING)
    return found


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@attrs.define(eq=False)
class RedisServer:
    """A redis-server for the length of a `with` or `async with` block.

    Attributes:
        tcp: It also listens on a port of loopback.
        authority: It also listens for TLS on a port of loopback, with a certificate of this
            authority for `localhost`.
        password: Clients must give it.
        master: It is a replica of this server, which needs `tcp`.
        watches: It is a sentinel of this server, which needs `tcp`, by the name of `main`.
        quorum: The sentinels that must agree that it is down.
        cluster: It is a node of a cluster: `redis_cluster` joins several.
        config: Further lines of redis.conf.
        port: Where it listens, with `tcp`, `watches` or `cluster`.
        tls_port: Where it listens for TLS.
        bus: Where nodes of its cluster meet it.
        folder: Where its socket, configuration and log lie.
    """

    tcp: bool = False
    authority: trustme.CA | None = None
    password: str | None = attrs.field(default=None, repr=False)
    master: "RedisServer | None" = None
    watches: "RedisServer | None" = None
    quorum: int = 1
    cluster: bool = False
    config: Mapping[str, str] = attrs.field(factory=dict)
    port: int = 0
    tls_port: int = 0
    bus: int = 0
    folder: Path = Path()
    _process: "subprocess.Popen[bytes] | None" = None
    _heir: "subprocess.Popen[bytes] | None" = None
    _suspended: bool = False

    @property
    def path(self) -> Path:
        """Its unix socket."""
        return self.folder / "redis.sock"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process is there, be it suspended."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Where clients reach it: by TLS if it speaks it, else by port if it has one."""
        who = f":{quote(self.password, safe='')}@" if self.password else ""
        if self.authority is not None:
            return (
                f"rediss://{who}localhost:{self.tls_port}/0?ssl_ca_certs={self.folder / 'ca.pem'}"
            )
        if self.port:
            return f"redis://{who}127.0.0.1:{self.port}/0"
        return self.unix_url

    @property
    def unix_url(self) -> str:
        """Where clients reach it by its socket."""
        who = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"unix://{who}{self.path}?db=0"

    def __enter__(self) -> Self:
        """Start it."""
        program = binary()
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        try:
            if self.tcp or self.watches or self.cluster:
                self.port = free_port()
            self.bus = free_port() if self.cluster else 0
            if self.authority is not None:
                self.tls_port = free_port()
                self._write_certificates(self.authority)
            (self.folder / "redis.conf").write_text(configuration(self))
            self.start(program)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, and remove what it left."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        """Start it."""
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """Stop it, and remove what it left."""
        self.__exit__()

    def start(self, program: str | None = None) -> None:
        """Start it, on the same port and socket as before, and wait until it answers."""
        arguments = [program or binary(), str(self.folder / "redis.conf")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*arguments, *(["--sentinel"] if self.watches else [])],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._suspended = False
        self._heir = subprocess.Popen(
            ["sh", "-c", _INHERIT, "sh", str(self.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.wait_until(self._answers, "redis-server does not start")

    def stop(self) -> None:
        """End it in order; its data are gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a machine that loses power; its data are gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start it: what it held is gone, its port and socket stay."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Stop its process in the middle: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        self._suspended = True

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
        self._suspended = False

    def reset(self) -> None:
        """Make it as new: running, empty, without scripts and as it was configured."""
        if not self.running:
            self.start()
        elif self._suspended:
            self.resume()
        done = self.command("INFO", "commandstats")
        if any(f"cmdstat_{each}" in done for each in _SPOILING):
            self.restart()
        else:
            self.flush()
            self.command("CONFIG", "RESETSTAT")

    def flush(self) -> None:
        """Remove all keys and scripts."""
        self.command("FLUSHALL")
        self.command("SCRIPT", "FLUSH")

    def command(self, *parts: str | int) -> Any:
        """Run one command on a connection of its own, and return its decoded reply."""
        with self._connected() as client:
            return client.execute_command(*parts)  # type: ignore[no-untyped-call]

    def client(self) -> "redis.asyncio.Redis":
        """Return a client of redis-py for the test itself, by the socket, decoding replies."""
        return redis.asyncio.Redis(
            unix_socket_path=str(self.path), password=self.password, decode_responses=True
        )

    def wait_until(self, holds: Callable[[], bool], why: str) -> None:
        """Wait, within bounds, until something holds."""
        until = time.monotonic() + _PATIENCE
        while not holds():
            if time.monotonic() > until or not self.running:
                log = (self.folder / "log").read_text(errors="replace")
                pytest.fail(f"{why}:\n{log[-2000:]}")
            time.sleep(0.005)

    async def until(self, holds: Callable[[], bool], why: str) -> None:
        """Wait as `wait_until` does, while the loop goes on."""
        for _ in range(1000):
            if holds():
                return
            await asyncio.sleep(0.005)
        pytest.fail(why)

    @contextmanager
    def _connected(self) -> "Iterator[redis.Redis]":
        client = redis.Redis(
            unix_socket_path=str(self.path),
            password=self.password,
            decode_responses=True,
            socket_timeout=_PATIENCE,
            protocol=2,
        )
        try:
            yield client
        finally:
            client.close()

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError, redis.TimeoutError):
            return bool(self.command("PING"))
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._suspended and how != signal.SIGKILL:
            os.kill(process.pid, signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._suspended = False
        if self._heir is not None:
            self._heir.kill()
            self._heir.communicate()

    def _write_certificates(self, authority: trustme.CA) -> None:
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        leaf.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        leaf.private_key_pem.write_to_path(self.folder / "key.pem")
