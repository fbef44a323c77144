"""Where a version goes among the others of its name, in any order of arrival."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis.strategies import booleans, floats, integers, lists, tuples

from sangraha.catalog.held import Held
from sangraha.catalog.versions import LATE, Versions, height
from tests.contract.catalog_samples import new_object

START = datetime(2031, 1, 1, tzinfo=UTC)


def held(at: datetime) -> Held:
    return Held(stored=new_object(name="a", created_at=at).object, location=None)


def order(rows: list[Held]) -> list[Held]:
    standing = [row for row in rows if row.stands]
    return sorted(standing, key=lambda row: (row.rank, row.stored.version), reverse=True)


def moments(*seconds: float) -> list[datetime]:
    return [START + timedelta(seconds=each) for each in seconds]


def filled(times: list[datetime]) -> tuple[Versions, list[Held]]:
    versions, rows = Versions(), list[Held]()
    versions.floors = dict.fromkeys(times, 0)
    for at in times:
        rows.append(held(at))
        versions.put(rows[-1], at)
    return versions, rows


def test_late_writes_go_between_those_that_came_in_time() -> None:
    _, rows = filled(moments(10, 50, 90, 30, 70, 0))
    assert [row.stored.created_at for row in order(rows)] == moments(90, 70, 50, 30, 10, 0)


def test_late_writes_for_one_place_stand_in_the_order_of_their_arrival() -> None:
    _, rows = filled(moments(10, 50, 30, 40, 20))
    assert [row.stored.created_at for row in order(rows)] == moments(50, 20, 40, 30, 10)


def test_writes_that_are_close_stand_in_the_order_of_their_arrival() -> None:
    _, rows = filled(moments(1.5, 0, 2, 0.5))
    assert order(rows) == rows[::-1]


@pytest.mark.parametrize(("seconds", "on_top"), [(8, True), (7.999999, False), (12, True)])
def test_late_is_more_than_two_seconds(seconds: float, on_top: bool) -> None:
    versions, rows = filled(moments(10, seconds))
    assert versions.current is rows[on_top]
    assert timedelta(seconds=2) == LATE


def test_one_that_knows_what_it_replaces_is_never_late() -> None:
    versions, _ = filled(moments(100))
    late = held(START)
    assert versions.put(late, START, on_top=True)
    assert versions.current is late


def test_a_floor_is_what_others_left_below() -> None:
    versions = Versions(last=7)
    top = held(START + timedelta(minutes=1))
    top.place(version=7, rank=5, is_current=True)
    versions.learn(top)
    versions.floors = {START: 3}
    late = held(START)
    assert not versions.put(late, START)
    assert (late.rank, late.stored.version, late.is_current) == (3, 8, False)


@settings(deadline=None)
@given(
    lists(
        tuples(floats(0, 20), booleans(), booleans(), integers(0, 5)),
        max_size=25,
    )
)
def test_the_one_on_top_is_always_the_highest_that_stands(
    steps: list[tuple[float, bool, bool, int]],
) -> None:
    versions, rows = Versions(), list[Held]()
    for number, (seconds, on_top, removes, which) in enumerate(steps):
        standing = order(rows)
        if removes and standing:
            gone = standing[which % len(standing)]
            gone.live = False
            versions.settle()
        else:
            at = START + timedelta(seconds=seconds)
            versions.floors[at] = 0
            new, before = held(at), versions.live
            replaced = versions.put(new, at, on_top=on_top)
            rows.append(new)
            assert replaced == (new.is_current and before is not None)
            assert new.stored.version == versions.last
        tops = [row for row in rows if row.is_current]
        assert tops == order(rows)[:1]
        assert versions.current is (tops[0] if tops else None)
        assert len({row.stored.version for row in rows}) == len(rows) <= number + 1


@settings(deadline=None)
@given(lists(floats(0, 20), min_size=1, max_size=10), integers(1, 5))
def test_what_is_beyond_the_limit_is_the_lowest(seconds: list[float], keep: int) -> None:
    versions, rows = filled(moments(*seconds))
    highest = order(rows)
    versions.count(len(rows), (0, 0))
    assert versions.trim(keep) == highest[keep:][::-1]
    assert order(rows) == highest[:keep]


@settings(deadline=None)
@given(lists(floats(0, 20), min_size=3, max_size=10), integers(1, 20), integers(1, 5))
def test_of_versions_that_are_not_all_known_only_lower_ones_go(
    seconds: list[float], unknown: int, keep: int
) -> None:
    versions, rows = filled(moments(*seconds))
    lowest = order(rows)[::-1][:2]
    versions.count(len(rows) + unknown, height(lowest[-1]))
    assert versions.trim(keep) == lowest[: max(0, len(rows) + unknown - keep)]


def test_where_nobody_counted_nothing_goes() -> None:
    versions, _ = filled(moments(1, 2, 3))
    assert versions.trim(1) == []
