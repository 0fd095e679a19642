"""A redis-server for the length of one drill: on a unix socket in a folder that goes with it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resilient.errors import ConfigError

_FAREWELL = 5.0
_OPTIONS = ("--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no")

# The shell ends the server, and its folder, when the pipe from this process does: at the end of
# the drill, and also if this process is killed.
_WATCH = """
folder=$1; shift
"$@" --dir "$folder" --unixsocket "$folder/redis.sock" --logfile "$folder/log" &
server=$!
until [ -S "$folder/redis.sock" ]; do kill -0 $server 2>/dev/null || break; sleep 0.02; done
echo started
read -r _
kill $server 2>/dev/null
wait $server
rm -rf "$folder"
"""


@contextmanager
def own_redis() -> Iterator[str]:
    """Run a redis-server, and give its URL.

    Raises:
        ConfigError: There is none on this machine, or it does not start.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise ConfigError(
            "redis-server is not installed here (Debian, Ubuntu: apt install redis-server): "
            "install it, or give --store the URL of a Redis"
        )
    shell = shutil.which("sh") or "/bin/sh"
    folder = Path(tempfile.mkdtemp(prefix="resilient-drill-"))
    watch = subprocess.Popen(  # noqa: S603 - our own words, and a program that was found
        [shell, "-c", _WATCH, "sh", str(folder), program, *_OPTIONS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    try:
        watch.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        yield _url(folder / "redis.sock")
    finally:
        watch.communicate(timeout=_FAREWELL)


def _url(socket: Path) -> str:
    if not socket.is_socket():
        raise ConfigError("redis-server does not start")
    return f"unix://{socket}"
