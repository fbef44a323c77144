"""Turns: how many large bodies are on their way to the store at a time."""

import asyncio
from types import TracebackType
from typing import Self

from sangraha.broker.protocol import Broker
from sangraha.errors import TooManyUploads
from sangraha_receiver.reachable import Reachable


class Turns:
    """Turns for `concurrency` large bodies; whoever wants one waits at most `patience_seconds`."""

    def __init__(
        self, reachable: Reachable, broker: Broker, concurrency: int, patience_seconds: float
    ) -> None:
        self._reachable = reachable
        self._broker = broker
        self._free = asyncio.Semaphore(concurrency)
        self._patience_seconds = patience_seconds

    async def require_ways(self) -> None:
        """Raises StoreUnavailable or BrokerUnavailable where a large body could not be stored, or
        its request not be accepted.
        """
        await self._reachable.require()
        await self._broker.wait_ready(self._patience_seconds)

    async def acquire(self) -> None:
        """Wait for a turn. Raises what `require_ways` raises, and TooManyUploads."""
        await self.require_ways()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise TooManyUploads("other large bodies are still on their way") from None

    def release(self) -> None:
        """Let the next one have it."""
        self._free.release()


class Turn:
    """One body's turn: taken once it turns out to be large, given back when the context ends."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._taken = False

    async def take(self) -> None:
        """Have the turn, if that is not so already. Raises as Turns.acquire does."""
        if not self._taken:
            await self._turns.acquire()
            self._taken = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._taken:
            self._taken = False
            self._turns.release()
