"""Ranges against a model that marks each byte asked for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sangraha.errors import RangeNotSatisfiable
from sangraha.http.ranges import ByteRange, byteranges_parts, parse_range

positions = st.integers(0, 60)
specs = st.tuples(positions, st.none() | positions) | st.tuples(st.none(), positions)


def bytes_of(spec: tuple[int | None, int | None], size: int) -> set[int]:
    first, last = spec
    if first is None:
        return set(range(max(0, size - (last or 0)), size))
    return set(range(first, size if last is None else min(size, last + 1)))


@given(st.lists(specs, min_size=1, max_size=8), st.integers(0, 50))
def test_exactly_the_bytes_asked_for_are_given_once_each(
    asked: list[tuple[int | None, int | None]], size: int
) -> None:
    header = "bytes=" + ",".join(
        f"{'' if first is None else first}-{'' if last is None else last}" for first, last in asked
    )
    sets = [bytes_of(spec, size) for spec in asked]
    if any(first is not None and last is not None and last < first for first, last in asked):
        assert parse_range(header, size) == ()
        return
    try:
        ranges = parse_range(header, size)
    except RangeNotSatisfiable:
        assert not any(sets)
        return
    if not ranges:
        # Too much, or the end of nothing: the whole.
        assert sum(map(len, sets)) > size or not size
        return
    given_bytes = [at for one in ranges for at in range(one.first, one.last + 1)]
    assert len(given_bytes) == len(set(given_bytes))
    assert set(given_bytes) == set().union(*sets)
    assert all(0 <= one.first <= one.last < size for one in ranges)
    in_order = sorted(ranges, key=lambda one: one.first)
    assert all(a.last + 1 < b.first for a, b in pairwise(in_order))
    # Each stands where the first of its bytes was asked for.
    places = [
        min(place for place, some in enumerate(sets) if some & set(range(one.first, one.last + 1)))
        for one in ranges
    ]
    assert places == sorted(places)


@given(
    st.text()
    | st.text("0123456789-, \t").map(lambda text: f"bytes={text}")
    | st.from_regex(r"bytes=(\d*-\d*,?){1,70}"),
    st.integers(0, 2**63),
)
def test_any_range_header_is_survived(header: str, size: int) -> None:
    try:
        ranges = parse_range(header, size)
    except RangeNotSatisfiable as error:
        assert error.members == {"size": size}  # noqa: PT017 - most headers raise nothing
        return
    assert sum(one.length for one in ranges) <= size


@given(
    st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 10**13)), min_size=1, max_size=50),
    st.sampled_from(["image/png", 'text/plain; charset="utf-8"']),
)
def test_the_announced_length_is_that_of_all_that_is_sent(
    bounds: list[tuple[int, int]], content_type: str
) -> None:
    ranges = [ByteRange(min(pair), max(pair)) for pair in bounds]
    frame = byteranges_parts(ranges, 2 * 10**13, content_type, "0" * 32)
    heads = b"".join(part.head for part in frame.parts)
    bodies = sum(last - first + 1 for first, last in map(sorted, bounds))
    assert frame.content_length == len(heads) + bodies + len(frame.end)
    assert [part.range for part in frame.parts] == ranges
