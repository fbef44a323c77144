"""Waiting in tests: for a condition, with a deadline, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], *, within_seconds: float = 10, what: str = ""
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T], *, within_seconds: float = 10, what: str = ""
) -> T: ...


async def eventually(
    condition: Callable[[], Any], *, within_seconds: float = 10, what: str = ""
) -> Any:
    """The first truthy value of `condition`; fails the test past the deadline."""
    deadline = time.monotonic() + within_seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_seconds} s: {what or condition}")
        await asyncio.sleep(0.02)
