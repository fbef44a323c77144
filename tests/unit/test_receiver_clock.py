"""A receiver whose clock is wrong is not ready: its ids would carry the wrong time."""

from datetime import UTC, datetime, timedelta

import pytest

from sangraha.errors import CatalogUnavailable, Unavailable
from sangraha_receiver.clock import Clock

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)


class CatalogClock:
    """A catalog whose clock differs by that much; None: it is away."""

    def __init__(self, ahead_seconds: float | None) -> None:
        self.ahead_seconds = ahead_seconds
        self.asked = 0

    async def now(self) -> datetime:
        self.asked += 1
        if self.ahead_seconds is None:
            raise CatalogUnavailable
        return NOON + timedelta(seconds=self.ahead_seconds)


def clock(catalog: CatalogClock, *readings: float) -> Clock:
    """A clock that shows these seconds past noon, one after the other, and stays at the last."""
    left = list(readings) or [0.0]

    def now() -> datetime:
        return NOON + timedelta(seconds=left.pop(0) if len(left) > 1 else left[0])

    return Clock(catalog, now)  # type: ignore[arg-type]  # now is all it uses


@pytest.mark.parametrize("ahead", [-1.9, 0, 1.9])
async def test_a_small_difference_does_no_harm(ahead: float) -> None:
    await clock(CatalogClock(ahead)).check()


@pytest.mark.parametrize(("ahead", "said"), [(2.1, "behind"), (-2.1, "ahead of")])
async def test_a_larger_one_is_told(ahead: float, said: str) -> None:
    with pytest.raises(Unavailable, match=rf"2\.1 s {said}"):
        await clock(CatalogClock(ahead)).check()


async def test_the_time_that_the_answer_takes_is_no_difference() -> None:
    await clock(CatalogClock(3), 0, 6).check()
    await clock(CatalogClock(-1.5), 0, 6).check()
    with pytest.raises(Unavailable, match=r"2\.5 s behind"):
        await clock(CatalogClock(8.5), 0, 6).check()


async def test_it_is_not_asked_every_time() -> None:
    catalog = CatalogClock(0)
    checked = clock(catalog)
    for _ in range(5):
        await checked.check()
    assert catalog.asked == 1


async def test_while_the_catalog_is_away_the_last_known_difference_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sangraha_receiver.clock._REMEMBERED_SECONDS", 0)
    catalog = CatalogClock(None)
    checked = clock(catalog)
    await checked.check()
    catalog.ahead_seconds = 10
    with pytest.raises(Unavailable, match="behind"):
        await checked.check()
    catalog.ahead_seconds = None
    with pytest.raises(Unavailable, match="behind"):
        await checked.check()
    catalog.ahead_seconds = 0
    await checked.check()
    assert catalog.asked == 4
