"""A listing that is made in blocking steps, taken in batches."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from sangraha.store.source import Run

BATCH: Final = 1000

T = TypeVar("T")


async def in_batches(listing: Iterator[T], run: Run) -> AsyncGenerator[Sequence[T], None]:
    """Up to BATCH at a time, each batch made when it is asked for."""
    while batch := await run(lambda: list(islice(listing, BATCH))):
        yield batch
