"""The scripts of the shared store on a real redis-server, with a clock that the test turns.

Only two things in their text are replaced: the reading of the clock, and the ends of the keys,
which Redis would measure by its own clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import redis
from redis_server import RedisServer

from resilient.state.redis import wire
from resilient.state.redis.scripts import ADMIT, RELEASE, SETTLE, Script

_CLOCK = ("redis.call('TIME')", "cjson.decode(table.remove(KEYS))")
_LASTING = (", 'EX', string.format('%d', max(1, ceil(micros / SECOND)))", "")
SCRIPTS = (ADMIT, SETTLE, RELEASE)
START = 1_000_000_000
"""Microseconds: where the clock begins."""


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with the one place changed where it says `old`."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times")
    return text.replace(old, new)


def driven(script: Script) -> str:
    """Return the text of a script that is told the time by its last key."""
    return replaced(replaced(script.text, *_CLOCK), *_LASTING)


@attrs.define(eq=False)
class Driven:
    """Runs the scripts at a time of the test's own.

    Attributes:
        fault: What is wrong with the scripts: a text in them, and what stands there instead.
        now: Microseconds.
    """

    server: RedisServer
    fault: tuple[str, str] | None = None
    now: int = START
    _client: "redis.Redis" = attrs.field(init=False)
    _shas: Mapping[Script, str] = attrs.field(init=False)

    def __enter__(self) -> Self:
        """Connect, and load the scripts."""
        self._client = redis.Redis(unix_socket_path=str(self.server.path), protocol=2)
        if self.fault is not None and not any(self.fault[0] in each.text for each in SCRIPTS):
            raise ValueError(f"{self.fault[0]!r} stands nowhere")
        self._shas = {each: self._load(each) for each in SCRIPTS}
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._client.close()

    def run(self, command: wire.Command) -> Any:
        """Run a script call."""
        name, script, count, *rest = command
        assert isinstance(script, Script)
        assert isinstance(count, int)
        clock = "[{},{}]".format(*divmod(self.now, 1_000_000))
        told = [*rest[:count], clock, *rest[count:]]
        return self._client.execute_command(  # type: ignore[no-untyped-call]
            name, self._shas[script], count + 1, *told
        )

    def ask(
        self,
        passage: wire.Passage,
        instance: str,
        number: int,
        costs: Sequence[int] = (1,),
        flying: Sequence[int] = (),
    ) -> wire.Asked:
        """Ask for calls."""
        said = flying or [0] * len(passage.kinds)
        reply = self.run(wire.ask(passage, instance, number, said, costs))
        return wire.asked(passage, reply, len(costs))

    def end(self, passage: wire.Passage, instance: str, number: int, **end: Any) -> wire.Ended:
        """Tell how a call ended."""
        flying = end.pop("flying", None) or [0] * len(passage.kinds)
        how = end.pop("how", "answered")
        end.setdefault("granted", self.now)
        reply = self.run(wire.end(passage, instance, number, flying, how, **end))
        return wire.ended(passage, reply)

    def _load(self, script: Script) -> str:
        text = driven(script)
        if self.fault is not None and self.fault[0] in text:
            text = replaced(text, *self.fault)
        sha: str = self._client.script_load(text)
        return sha
