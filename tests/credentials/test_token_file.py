"""Tokens in a file: nobody else can read it, and it is always whole."""

import asyncio
import json
import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import resilient
from resilient.credentials import FileTokens, Stored, TokenPair

from .conftest import CANARY

pytestmark = pytest.mark.real_time

PAIR = TokenPair("access-1", "refresh-1", 100.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tokens are."""
    return tmp_path / "tokens.json"


@pytest.fixture
def _permissive() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def _write(file: Path, content: str, mode: int = 0o600) -> None:
    file.write_text(content)
    file.chmod(mode)


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def _modes(folder: Path) -> set[int]:
    return {_mode(each) for each in folder.iterdir()}


@pytest.mark.usefixtures("_permissive")
async def test_for_its_owner_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file that is made can be read by others, not even while it is written."""
    seen: set[int] = set()
    really = os.fsync

    def fsync(descriptor: int) -> None:
        seen.update(_modes(file.parent))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    tokens = FileTokens(file)
    await tokens.save(PAIR)
    async with tokens.lock() as number:
        await tokens.note(None, number or 0)
    assert {0o600} == seen | _modes(file.parent)
    assert ["tokens.json", "tokens.json.lock", "tokens.json.renewal"] == _names(file.parent)


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.usefixtures("_permissive")
async def test_draft_that_was_left(file: Path) -> None:
    """What a process that died has left is neither read nor shown to others."""
    _write(file.with_name("tokens.json.new"), "longer than a whole pair is" * 9, 0o644)
    await FileTokens(file).save(PAIR)
    assert Stored(PAIR, 1) == await FileTokens(file).load()
    assert 0o600 == _mode(file)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
async def test_open_to_others(file: Path, mode: int) -> None:
    """A file that others can read or write is not used: it says what to do."""
    _write(file, json.dumps(PAIR.asdict()), mode)
    with pytest.raises(ValueError, match=r"other users can read or write tokens\.json: chmod 600"):
        await FileTokens(file).load()


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", "half a", '{"access_token": 7}', "[" * 9999, CANARY]
)
async def test_no_pair(file: Path, content: str) -> None:
    """What is no pair is refused and not shown; a person's new pair replaces it."""
    _write(file, content)
    with pytest.raises(ValueError) as error:  # noqa: PT011 - many texts
        await FileTokens(file).load()
    assert CANARY not in str(error.value)
    await FileTokens(file).save(PAIR)
    assert Stored(PAIR, 1) == await FileTokens(file).load()


async def test_written_by_hand(file: Path) -> None:
    """A file with a pair in it will do: it has no version yet."""
    _write(file, json.dumps(PAIR.asdict()))
    assert Stored(PAIR, 0) == await FileTokens(file).load()
    assert 1 == await FileTokens(file).save(PAIR, 0)


async def test_records_that_are_nonsense(file: Path) -> None:
    """What stands beside the pair, and is damaged, costs a renewal nothing."""
    await FileTokens(file).save(PAIR)
    _write(file.with_name("tokens.json.renewal"), "{[")
    assert Stored(PAIR, 1) == await FileTokens(file).load()
    async with FileTokens(file).lock() as number:
        assert 1 == number


def test_no_directory(tmp_path: Path) -> None:
    """The directory has to be there."""
    with pytest.raises(FileNotFoundError, match="tokens' directory"):
        FileTokens(tmp_path / "nowhere" / "tokens.json")


async def test_link(tmp_path: Path, file: Path) -> None:
    """Where the path is a link, the file that it leads to is replaced."""
    link = tmp_path / "link"
    link.symlink_to(file)
    await FileTokens(link).save(PAIR)
    assert link.is_symlink()
    assert Stored(PAIR, 1) == await FileTokens(file).load()


async def test_disk_that_is_full(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair that cannot be written leaves the one that was there."""
    await FileTokens(file).save(PAIR)
    with monkeypatch.context() as patched:

        def fsync(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space"):
            await FileTokens(file).save(TokenPair("access-2"), 1)
    assert Stored(PAIR, 1) == await FileTokens(file).load()
    assert 2 == await FileTokens(file).save(TokenPair("access-2"), 1)


async def test_cancelled(file: Path) -> None:
    """Who is cancelled while a pair is written goes when it is, and the next can write."""
    saving = asyncio.create_task(_save(file))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])
    async with asyncio.timeout(5):
        await FileTokens(file).save(PAIR)
    assert PAIR == (await FileTokens(file).load() or Stored(TokenPair("none"), 0)).pair


async def _save(file: Path) -> None:
    await FileTokens(file).save(TokenPair("access-0"))


ENDLESS = """
import asyncio, sys
from resilient.credentials import FileTokens, TokenPair

async def main():
    tokens, number = FileTokens(sys.argv[1]), 0
    while True:
        number += 1
        await tokens.save(TokenPair(f"access-{number}", f"refresh-{number}", number))

asyncio.run(main())
"""


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """Run a program that writes pair after pair, and kill it."""
    folder = Path(resilient.__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(file)], cwd=folder) as writer:
        yield
        writer.kill()


async def _changed(tokens: FileTokens) -> None:
    before = await tokens.load()
    while await tokens.load() == before:  # noqa: ASYNC110 - another process sets no event here
        await asyncio.sleep(0.005)


async def test_killed_while_writing(file: Path) -> None:
    """A process that is killed at any moment leaves a whole pair, and nobody waits for it."""
    chance, tokens = random.Random(5), FileTokens(file)
    for _ in range(3):
        with _writing(file):
            await _changed(tokens)
            await asyncio.sleep(chance.random() * 0.02)
        stored = await tokens.load()
        assert stored is not None
        number = stored.pair.access_token.removeprefix("access-")
        assert TokenPair(f"access-{number}", f"refresh-{number}", float(number)) == stored.pair
        async with asyncio.timeout(5):
            assert stored.version + 1 == await tokens.save(PAIR, stored.version)
