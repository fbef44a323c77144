"""The versions of one name: which is on top, and where a new one goes. No I/O."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sangraha.catalog.held import Held

Height = tuple[int, int]
"""Rank, then number."""
LATE: Final = timedelta(seconds=2)
"""A write older than the current version by more has waited in a queue: it goes underneath."""


class Versions:
    """What is known of a name's versions: at least the current one, and whatever may become it.

    `last` is the highest number any of them ever had, `floors` the highest rank among those that
    are as old as a given time or older. `unknown` is how many live ones are not known, None where
    nobody counted; they are all above `ceiling`.

    The current one is always the first by rank and then number of those that stand.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.unknown: int | None = None
        self.ceiling: Height = (0, 0)
        self.floors: dict[datetime, int] = {}
        self._rows: list[Held] = []

    def count(self, live: int, ceiling: Height) -> None:
        """Be told how many live ones there are in all, and up to where all of them are known."""
        self.unknown = live - sum(held.live for held in self._rows)
        self.ceiling = ceiling

    def learn(self, held: Held) -> None:
        """Know one that was read."""
        self._rows.append(held)

    @property
    def current(self) -> Held | None:
        """The one on top, a marker perhaps."""
        return next((held for held in self._rows if held.is_current), None)

    @property
    def live(self) -> Held | None:
        """The one on top, if there is something to be found at the name."""
        current = self.current
        return current if current is not None and current.live else None

    def put(self, held: Held, at: datetime, *, on_top: bool = False) -> bool:
        """Add what a request made at that time: on top, unless it is late. Whether that hides a
        live version.

        `on_top` is for those that know what they replace.
        """
        self.last += 1
        current, replaced = self.current, False
        if current is None:
            held.place(version=self.last, rank=1, is_current=True)
        elif on_top or at >= current.since - LATE:
            held.place(version=self.last, rank=current.rank + 1, is_current=True)
            replaced = current.live
            current.is_current = False
        else:
            # Its number is higher, so its rank has to be lower.
            rank = min(self._floor(at), current.rank - 1)
            held.place(version=self.last, rank=rank, is_current=False)
        self._rows.append(held)
        return replaced

    def settle(self) -> None:
        """Find the one on top anew, after some may have ceased to stand."""
        top = max(self._standing(), key=height, default=None)
        for held in self._rows:
            held.is_current = held is top

    def drop(self, held: Held) -> None:
        """Forget one that goes to another name."""
        self._rows.remove(held)
        self.settle()

    def clear(self) -> None:
        """Take all markers away."""
        for held in self._rows:
            held.is_marker = False
        self.settle()

    def trim(self, keep: int) -> list[Held]:
        """Let go of the lowest live versions, so that `keep` are left. Of very many, some stay for
        the next time.
        """
        if self.unknown is None:
            return []
        live = sorted((held for held in self._rows if held.live), key=height)
        trimmed = live[: max(0, self.unknown + len(live) - keep)]
        if self.unknown:
            trimmed = [held for held in trimmed if height(held) <= self.ceiling]
        for held in trimmed:
            held.live = False
        if trimmed:
            self.settle()
        return trimmed

    def _standing(self) -> Iterable[Held]:
        return (held for held in self._rows if held.stands)

    def _floor(self, at: datetime) -> int:
        older = (held.rank for held in self._rows if held.since <= at)
        return max([self.floors[at], *older])


def height(held: Held) -> Height:
    """What the versions of a name are ordered by."""
    return held.rank, held.stored.version
