"""Threads that pass bodies on: no task ends before its thread has."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sangraha.store.pieces import passed_on


class Idle:
    """A client that has nothing to say, and notices late that nobody waits for it any more."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.go_on = threading.Event()
        self.has_ended = False

    def __call__(self, piece: bytes) -> None:
        self.go_on.wait()
        self.has_ended = True

    def cancel(self) -> None:
        self.is_cancelled = True


async def test_a_task_that_is_cancelled_again_ends_after_its_thread_all_the_same() -> None:
    idle = Idle()
    with ThreadPoolExecutor(1) as threads:
        passing = asyncio.create_task(passed_on(idle, threads, lambda: idle(b"")))
        try:
            for _ in range(3):
                await asyncio.sleep(0.01)
                passing.cancel()
            await asyncio.sleep(0.01)
            assert idle.is_cancelled
            assert not passing.done()
        finally:
            idle.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await passing
        assert idle.has_ended
