"""Processes that go on one call at a time, and may be frozen or killed between any two; the clock
they live by, and what they see of store and queue.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

from obstore.store import MemoryStore

from sangraha.broker.protocol import Fault, Message
from sangraha.store.obstore_store import ObstoreStore
from sangraha.store.protocol import StoredBody

BEGIN = datetime(2031, 1, 1, tzinfo=UTC)
T = TypeVar("T")
Work = Coroutine[Any, Any, object]
_TURNS = 6
_GATED = {
    "buckets",
    "commit",
    "condemn",
    "condemn_released",
    "delete",
    "list",
    "note_redriven",
    "orphans",
    "purge_step",
    "put",
    "record_dead_letter",
    "removed",
    "retire_letters",
}
"""The calls before which a process may be stopped. The others are no decisions."""

_here: ContextVar["Process"] = ContextVar("process")


async def here(call: Callable[[], Awaitable[T]]) -> T:
    """Do that as this process: once it is let."""
    return await _here.get().through(call)


class Clock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.now = BEGIN

    def strftime(self, _: str, __: str) -> str:
        """In place of SQLite's function of that name: the time of the database."""
        return self.now.strftime("%Y-%m-%d %H:%M:%S.%f")


class Process:
    """Work that waits at every gate until it is let through."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, name: str, work: Callable[[], Work]
    ) -> None:
        self.name = name
        self._waiting: list[asyncio.Future[None]] = []
        self._at_work = 0
        self._is_dead = False
        self._moved = asyncio.Event()
        self._task = loop.create_task(self._run(work))
        self._task.add_done_callback(lambda _: self._moved.set())

    @property
    def is_over(self) -> bool:
        """Whether it ended or was killed."""
        return self._task.done()

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """Wait until it may do that, and do it."""
        if self._is_dead:
            raise asyncio.CancelledError
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._moved.set()
        await future
        self._at_work += 1
        try:
            return await call()
        finally:
            self._at_work -= 1
            self._moved.set()

    async def step(self) -> None:
        """Let it do what it waits to do, and wait for what it will do next."""
        if not self._waiting:
            await self._arrive()
        if self._waiting:
            self._waiting.pop(0).set_result(None)
            await self._arrive()
        if self.is_over and not self._is_dead:
            self._task.result()

    async def advance(self, steps: int) -> None:
        """Let it do so many things."""
        for _ in range(steps):
            if not self.is_over:
                await self.step()

    async def finish(self) -> None:
        """Let it do all that it has to do."""
        while not self.is_over:
            await self.step()

    async def kill(self) -> None:
        """It does nothing any more."""
        self._is_dead = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, work: Callable[[], Work]) -> None:
        _here.set(self)
        await work()

    async def _arrive(self) -> None:
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if self.is_over or (self._waiting and not self._at_work):
                return
            self._moved.clear()
            await self._moved.wait()


class Gated:
    """A store or catalog as the processes see it."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name == "list":
            return lambda: self._listed(call)
        if name not in _GATED:
            return call

        async def gated(*arguments: Any, **named: Any) -> Any:
            return await here(lambda: call(*arguments, **named))

        return gated

    async def _listed(self, call: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
        async def all_of_it() -> list[Any]:
            return [batch async for batch in call()]

        for batch in await here(all_of_it):
            yield batch


class AgedStore(ObstoreStore):
    """In memory; a body is as old as the clock says."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MemoryStore(), timeout_seconds=60)
        self._clock = clock
        self.put_at: dict[str, datetime] = {}

    async def put(self, key: str, body: bytes) -> None:
        await super().put(key, body)
        self.put_at.setdefault(key, self._clock.now)

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self.put_at.pop(key, None)

    async def list(self) -> AsyncGenerator[Sequence[StoredBody], None]:
        async for batch in super().list():
            yield [StoredBody(body.key, body.size, self.put_at[body.key]) for body in batch]


class Queued:
    """A broker with one queue."""

    def __init__(self, queue: list[Message]) -> None:
        self._queue = queue

    async def publish(self, _: str, message: Message, *, timeout_seconds: float) -> None:
        async def append() -> None:
            self._queue.append(message)

        await here(append)


class Handed:
    """A message that was handed to somebody, as broker/protocol.py has it."""

    def __init__(self, queue: list[Message], message: Message, fault: Fault | None) -> None:
        self.message = message
        self.redeliveries = 0
        self.fault = fault
        self.lost = False
        self._queue = queue

    async def ack(self) -> None:
        await here(self._ack)

    async def _ack(self) -> None:
        # It may have been handed to somebody else meanwhile, who was quicker.
        if self.message in self._queue:
            self._queue.remove(self.message)

    async def release(self) -> None:
        raise AssertionError("nothing is away in this world")

    async def dead_letter(self, fault: Fault) -> None:
        raise AssertionError("every message can be decoded in this world")
