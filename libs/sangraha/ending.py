"""The end of a process, as a thing its parts can wait for."""

import asyncio


class Ending:
    """Set in two steps: `soon` asks those who wait for something slow to answer with what they
    have; `now` asks everybody to leave the rest for the next start.
    """

    def __init__(self) -> None:
        self.soon = asyncio.Event()
        self.now = asyncio.Event()
