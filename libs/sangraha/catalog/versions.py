"""The versions of one name: which is on top, and where a new one goes. No I/O."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sangraha.catalog.held import Held

LATE: Final = timedelta(seconds=2)
"""A write older than the current version by more has waited in a queue: it goes underneath."""


class Versions:
    """What is known of a name's versions: at least the current one, and whatever may become it.

    `last` is the highest number any of them ever had, `floors` the highest rank among those that
    are as old as a given time or older.

    The current one is always the first by rank and then number of those that stand.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.floors: dict[datetime, int] = {}
        self._rows: list[Held] = []

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
        elif on_top or at >= current.stored.created_at - LATE:
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
        top = max(self._standing(), key=_height, default=None)
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

    def beyond(self, keep: int) -> list[Held]:
        """The live versions but for the `keep` highest."""
        live = sorted((held for held in self._rows if held.live), key=_height, reverse=True)
        return live[keep:]

    def _standing(self) -> Iterable[Held]:
        return (held for held in self._rows if held.stands)

    def _floor(self, at: datetime) -> int:
        older = (held.rank for held in self._rows if held.stored.created_at <= at)
        return max([self.floors[at], *older])


def _height(held: Held) -> tuple[int, int]:
    return held.rank, held.stored.version
