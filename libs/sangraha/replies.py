"""Requests that wait for their replies, by request id, whichever group brings them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class Replies(Generic[T]):
    """Hands each reply to all who expect it; replies nobody expects are dropped."""

    def __init__(self) -> None:
        self._expected: dict[UUID, list[asyncio.Future[T]]] = {}

    @contextmanager
    def expect(self, request_id: UUID) -> Iterator[asyncio.Future[T]]:
        """A future for the reply to this request, for as long as the context lasts."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        expecting = self._expected.setdefault(request_id, [])
        expecting.append(future)
        try:
            yield future
        finally:
            expecting.remove(future)
            if not expecting:
                del self._expected[request_id]
            future.cancel()

    def arrived(self, request_id: UUID, reply: T) -> None:
        """Wake all who expect this reply."""
        for future in self._expected.get(request_id, ()):
            if not future.done():
                future.set_result(reply)

    def give_up(self) -> None:
        """Wake all who wait now, with nothing: their futures are cancelled."""
        for expecting in self._expected.values():
            for future in expecting:
                future.cancel()
