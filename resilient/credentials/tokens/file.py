"""Tokens in a file of one machine, which its processes share.

Beside it stand two small files that stay: `….renewal`, held by whoever renews, and `….lock`, held
while the file itself is written. The system lets go of both when a process dies.
"""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from resilient.credentials.secret import Concealed
from resilient.credentials.tokens.finish import finished
from resilient.credentials.tokens.pair import Intent, Stored, TokenPair
from resilient.credentials.tokens.turn import turn

_LARGEST = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OWN = 0o600


def _located(path: str | os.PathLike[str]) -> Path:
    """Return the file itself: a link would be replaced by it."""
    found = Path(path).resolve()
    if not found.parent.is_dir():
        raise FileNotFoundError(f"the tokens' directory is missing: {found.parent}")
    return found


@attrs.frozen(eq=False)
class FileTokens:
    """A pair in a file that only its owner can read, and that is always whole.

    Attributes:
        path: The file. Its directory must be there, on a disk of this machine.
    """

    path: Path = attrs.field(converter=_located)

    async def load(self) -> Stored | None:
        """Return what is stored, or None.

        Raises:
            ValueError: It is no pair, or other users can read it.
        """
        return await asyncio.to_thread(self._read)

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store a pair; None if another has been stored since `replaces`."""
        async with turn(self._writing):
            return await finished(asyncio.to_thread(self._replace, pair, replaces))

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Let one process renew at a time."""
        with _held(self._beside("renewal")) as file:
            if file is None:
                yield None
                return
            record = _record(file)
            number = int(record.get("number", 0)) + 1
            _write_record(file, {**record, "number": number})
            yield number

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note that a renewal begins."""
        return await finished(asyncio.to_thread(self._note, intent, number))

    def _beside(self, kind: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{kind}")

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[int | None]:
        with _held(self._beside("lock")) as file:
            yield file

    def _read(self) -> Stored | None:
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            return None
        if mode & _OTHERS:
            raise ValueError(f"other users can read or write {self.path.name}: chmod 600 it")
        if not (found := _object(_bytes(self.path))):
            raise ValueError(f"{self.path.name} holds no pair")
        intent = _first_line(_bytes(self._beside("renewal"))).get("intent")
        return Stored(TokenPair.of(found), _version(found), Intent.of(intent))

    def _replace(self, pair: TokenPair, replaces: int | None) -> int | None:
        # What is no pair, and cannot be used, need not be spared.
        found = _object(_bytes(self.path))
        version = _version(found) if found else replaces or 0
        if replaces not in (None, version):
            return None
        record = Concealed(pair.asdict(), version=version + 1)
        _write_durably(self._beside("new"), record, self.path)
        return version + 1

    def _note(self, intent: Intent | None, number: int) -> bool:
        file = os.open(self._beside("renewal"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if _record(file).get("number") != number:
                return False
            noted = None if intent is None else attrs.asdict(intent)
            _write_record(file, {"number": number, "intent": noted})
            os.fsync(file)
        finally:
            os.close(file)
        return True


@contextmanager
def _held(path: Path) -> Iterator[int | None]:
    """Lock a file, and give it; None: somebody else has. It does not wait."""
    import fcntl  # noqa: PLC0415 - there is none on Windows

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _OWN)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        else:
            free = True
        try:
            yield file if free else None
        finally:
            # A child that was forked meanwhile holds the same lock, and closing is not enough.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def _record(file: int) -> Concealed:
    return _first_line(os.pread(file, _LARGEST, 0))


def _write_record(file: int, record: dict[str, Any]) -> None:
    # One write, over what was there: the first line counts, and it is never half a line.
    os.pwrite(file, json.dumps(record).encode() + b"\n", 0)


def _bytes(path: Path) -> bytes:
    """Return what a file holds, or nothing."""
    try:
        with path.open("rb") as opened:
            return opened.read(_LARGEST)
    except FileNotFoundError:
        return b""


def _first_line(text: bytes) -> Concealed:
    return _object(text.partition(b"\n")[0])


def _object(text: bytes) -> Concealed:
    """Return an object; what is none is an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Concealed()
    return Concealed(found if isinstance(found, dict) else {})


def _version(found: Concealed) -> int:
    """Return a version; what somebody has written by hand has none."""
    version = found.get("version")
    return version if isinstance(version, int) else 0


def _write_durably(draft: Path, record: Concealed, target: Path) -> None:
    """Put a record in the place of a file: whole or not at all, and on the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(draft, flags, _OWN)
    with os.fdopen(file, "wb") as opened:
        os.fchmod(file, _OWN)  # it may lie there from before
        opened.write(json.dumps(record).encode())
        opened.flush()
        os.fsync(file)
    draft.replace(target)
    _settle(target.parent)


def _settle(directory: Path) -> None:
    """Put the names of a directory on the disk, where the system can."""
    with suppress(OSError):
        file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
