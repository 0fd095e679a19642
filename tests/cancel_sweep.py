"""A sweep of cancellations: a call is made again and again, and each time cancelled one wait later.

A wait is a point at which the call's own task gives way to the event loop. The sweep ends with
the first run that is over before the wait that it was to be cancelled at, so every wait of the
call has been tried, however many there are.
"""

import asyncio
import contextlib
import gc
import types
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from itertools import count
from typing import Any, Literal, TypeVar

import attrs

T = TypeVar("T")

Moment = Literal["begins", "ends"]
"""When within a wait: as it begins, or when what was waited for has come and nobody knows yet."""

MOMENTS: tuple[Moment, ...] = ("begins", "ends")


@attrs.define(eq=False)
class Cut:
    """Cancels the task that drives a coroutine at one of its waits.

    Attributes:
        at: Which wait, 1-based.
        moment: When within that wait.
        waits: How many there were until now.
    """

    at: int
    moment: Moment = "begins"
    waits: int = 0

    @property
    def made(self) -> bool:
        """Whether the coroutine came as far as that wait."""
        return self.waits >= self.at

    async def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Drive a coroutine, in the current task."""
        return await self._drive(coroutine)

    @types.coroutine
    def _drive(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, None, T]:
        step = partial(coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                found: T = end.value
                return found
            self.waits += 1
            if self.waits == self.at:
                self._cancel(awaited)
            step = partial(coroutine.send, None)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - the coroutine's, whatever it is
                step = partial(coroutine.throw, error)

    def _cancel(self, awaited: "asyncio.Future[Any] | None") -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.moment == "begins":
            task.cancel()
        elif awaited is None:
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            # The task adds its own wake-up after this one, so it is cancelled before it wakes.
            awaited.add_done_callback(lambda _: task.cancel())


Run = Callable[[Cut], Awaitable[None]]
"""Makes the call afresh, with `await cut(call())` in a task of its own, and checks what is left."""


async def sweep(run: Run, moment: Moment = "begins", *, step: int = 1) -> int:
    """Cancel at every wait (or each `step`-th) until a run outlives its cut; return how many."""
    return len([cut async for cut in _cuts(run, moment, step) if cut.made])


async def _cuts(run: Run, moment: Moment, step: int) -> AsyncIterator[Cut]:
    for at in count(1, step):
        cut = Cut(at, moment)
        await run(cut)
        yield cut
        if not cut.made:
            return


@contextlib.contextmanager
def nothing_said() -> Iterator[None]:
    """Check that neither Python nor the event loop complains, also when garbage is collected."""
    told: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    loop.set_exception_handler(None)
    assert [] == [*told, *(str(each.message) for each in caught)]
