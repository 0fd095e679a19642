"""Where a token store fails, no report of the error shows what was to be stored."""

import os
import traceback
from pathlib import Path

import pytest
from redis_server import RedisServer

import resilient
from resilient.credentials import (
    CredentialUnavailable,
    FileTokens,
    RedisTokens,
    TokenPair,
    TokenStore,
)

from .conftest import CANARY

pytestmark = pytest.mark.real_time

PACKAGE = str(Path(resilient.__file__).parent)
PAIR = TokenPair(f"{CANARY}-access", f"{CANARY}-refresh")


def _report(error: BaseException) -> str:
    """Return an error as reporters show it: with the local variables of our frames."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    assert [] != ours
    return repr(error) + "".join(f"{frame.name}: {frame.locals}\n" for frame in ours)


async def test_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does a full disk."""

    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space") as error:
        await FileTokens(tmp_path / "tokens.json").save(PAIR)
    assert CANARY not in _report(error.value)


async def _damaged_file(folder: Path) -> TokenStore:
    file = folder / "tokens.json"
    await FileTokens(file).save(PAIR)
    file.write_text(file.read_text().replace("-access", "\\n"))
    return FileTokens(file)


async def test_file_that_is_damaged(tmp_path: Path) -> None:
    """Nor a file that holds something else."""
    tokens = await _damaged_file(tmp_path)
    with pytest.raises(ValueError, match="control characters") as error:
        await tokens.load()
    assert CANARY not in str(error.value)


async def test_redis_that_hangs(redis_server: RedisServer) -> None:
    """Nor a Redis without an answer."""
    tokens = RedisTokens(redis_server.url, name="acct-7", timeout=0.05)
    redis_server.suspend()
    with pytest.raises(CredentialUnavailable) as error:
        await tokens.save(PAIR)
    redis_server.resume()
    assert CANARY not in _report(error.value)


async def test_redis_whose_pair_is_damaged(redis_server: RedisServer) -> None:
    """Nor one that holds something else."""

    def decrypt(data: bytes) -> bytes:
        return data[1:]

    tokens = RedisTokens(redis_server.url, name="acct-7", encrypt=bytes, decrypt=decrypt)
    await tokens.save(PAIR)
    with pytest.raises(ValueError, match="cannot be read") as error:
        await tokens.load()
    assert CANARY not in _report(error.value)
