"""JSON that streams past is judged as if it were at hand, whatever it is and however it is cut
into chunks, and holds no memory and no time.
"""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sangraha.content_types import ContentType, Watcher, json_parser, judge, judge_seen
from sangraha.content_types.json_nesting import MAX_DEPTH
from sangraha.content_types.seen import HEAD_BYTES, TAIL_BYTES, Seen
from sangraha.errors import DamagedContent, EmptyBody, TypeNotAllowed

CUT_OFF = "The JSON document is cut off: its end is missing"
MIB = 1024 * 1024
NOTICEABLE_SECONDS = 0.1
"""Seconds of work for 8 MiB; what is not linear takes hours."""

unhurried = settings(deadline=None)
space = st.sampled_from(["", "", "", " ", "\r\n\t", " " * 70])
scalars = st.one_of(
    st.sampled_from(["true", "false", "null", "-0", "0.10", "1E-9", "-12e+400", "12" * 90]),
    st.sampled_from([r'"\""', r'"\\"', r'"[{\",:"', r'"\ud83d\ude00"', r'"\uD800"', r'"\/\b\f"']),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text().map(json.dumps),
    st.text().map(lambda text: json.dumps(text, ensure_ascii=False)),
)


def containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.builds("{}{}{}".format, space, values, space)
    names = st.builds("{}{}{}".format, space, st.text().map(json.dumps), space)
    return st.one_of(
        st.lists(spaced).map(lambda found: f"[{','.join(found)}]"),
        st.builds("[{}]".format, space),
        st.lists(st.builds("{}:{}".format, names, spaced)).map(
            lambda found: "{" + ",".join(found) + "}"
        ),
    )


documents = st.builds(
    "{}{}{}".format, space, st.recursive(scalars, containers, max_leaves=20), space
).map(str.encode)
changes = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(["insert", "replace", "remove"]),
        st.sampled_from([bytes([each]) for each in b'"\\[]{},:019.eE-+tnul \n\0\x1f\xff\xc3\xa9'])
        | st.sampled_from([b"\xef\xbb\xbf", b"\\u12", b"tru", b"NaN", b"/**/", b"\xed\xa0\x80"]),
    ),
    max_size=3,
)
pieces = st.sampled_from([1, 2, 3, 5, 17, 64, 1024, 32 * 1024])
chunks = st.lists(st.integers(0, 40), max_size=30)


def changed(body: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    found = bytearray(body)
    for at, how, new in changes:
        start = at % (len(found) + 1)
        found[start : start + (how != "insert")] = b"" if how == "remove" else new
    return bytes(found)


def watched(body: bytes, sizes: list[int] | None = None) -> Seen:
    """What a watcher saw of the body in chunks of these sizes; the rest comes in one."""
    watcher = Watcher()
    at = 0
    for size in sizes or ():
        watcher.feed(body[at : at + size])
        at += size
    watcher.feed(body[at:])
    return watcher.seen()


def is_json(body: bytes) -> bool:
    """What another parser says, which takes a few things that are not JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        text = body.decode()
        json.loads(text, parse_constant=refuse, parse_int=str)
    except ValueError:
        return False
    return not text.startswith("\ufeff")


def verdict(decide: Callable[[], ContentType]) -> ContentType | str | None:
    """What was decided: for damaged content the words, None for content of another type."""
    try:
        return decide()
    except DamagedContent as damage:
        return damage.detail
    except (TypeNotAllowed, EmptyBody):
        return None


@unhurried
@given(documents, pieces, chunks)
def test_a_document_is_one_however_it_is_cut_into_chunks(
    body: bytes, piece: int, sizes: list[int]
) -> None:
    with patch.object(json_parser, "_PIECE", piece):
        seen = watched(body, sizes)
    assert seen == Seen(
        size=len(body), head=body[:HEAD_BYTES], tail=body[-TAIL_BYTES:], is_json=True
    )


@unhurried
@given(documents, changes, pieces, chunks)
@example(b"[123456789012 345678]", [], 8, [])
@example(b'["\\u009\\u1234"]', [], 5, [])
@example(b"[" + b"0" * 127 + b"]", [], 64, [])
@example(b"[" + b"1" * 80 + b" 1]", [], 82, [])
@example(b"[1,]", [], 3, [])
@example(b'{"a":1,}', [], 7, [])
@example(b'["\\uDEAD"]', [], 6, [])
@example(b'{"a":1', [], 1, [])
@example(b"[1.", [], 1, [])
@example(b'"a"1', [], 1, [])
@example(b'["a"tru', [], 2, [])
@example(b'["\\\\u12', [], 8, [])
@example(b'["' + b"\\" * 31, [], 8, [])
def test_a_changed_document_is_judged_as_by_another_parser(
    body: bytes, changes: list[tuple[int, str, bytes]], piece: int, sizes: list[int]
) -> None:
    body = changed(body, changes)
    with patch.object(json_parser, "_PIECE", piece):
        assert watched(body, sizes).is_json == is_json(body)


@unhurried
@given(documents, changes, chunks, st.integers(0, 5))
def test_a_watched_body_is_judged_as_if_it_were_at_hand(
    body: bytes, changes: list[tuple[int, str, bytes]], sizes: list[int], times: int
) -> None:
    if times:
        body = b"[" + b",".join([*repeat(b'{"a": [1, "b"]}', times * 3000), body]) + b"]"
    body = changed(body, changes)
    seen = watched(body, sizes)
    expected = verdict(lambda: judge(body, ["json"]))
    assert verdict(lambda: judge_seen(seen, ["json"])) == expected
    assert seen.is_json == isinstance(expected, ContentType)
    if isinstance(expected, str):
        assert seen.json_damage == expected


@unhurried
@given(documents, st.integers(0, 10_000), pieces, chunks)
def test_the_start_of_a_document_is_cut_off(
    body: bytes, length: int, piece: int, sizes: list[int]
) -> None:
    body = b"[" + body + b"]"
    start = body[: 1 + length % (len(body) - 1)]
    with patch.object(json_parser, "_PIECE", piece):
        seen = watched(start, sizes)
    assert (seen.json_damage, seen.json_malformed) == (CUT_OFF, False)


@unhurried
@given(st.binary(max_size=3000), chunks)
def test_any_bytes_can_be_watched(body: bytes, sizes: list[int]) -> None:
    seen = watched(body, sizes)
    assert (seen.size, seen.head, seen.tail) == (len(body), body[:4096], body[-1024:])
    assert seen.is_json == is_json(body)


@unhurried
@given(
    st.lists(st.sampled_from([(b"[", b"]"), (b' {"":', b"}")]), min_size=1, max_size=6),
    st.integers(MAX_DEPTH - 3, MAX_DEPTH + 3),
    pieces,
)
def test_what_is_nested_up_to_the_limit_is_taken(
    forms: list[tuple[bytes, bytes]], depth: int, piece: int
) -> None:
    levels = (forms * depth)[: depth - 1]
    inside = b"".join(opening for opening, _ in levels) + b'"]}{["'
    inside += b"".join(closing for _, closing in reversed(levels))
    with patch.object(json_parser, "_PIECE", piece):
        seen = watched(b"[" + inside + b",[]," + inside + b"]")
    assert seen.is_json == (depth <= MAX_DEPTH)
    assert seen.is_json or "more than 500 levels deep" in str(seen.json_damage)


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b" : ', b"}]")]
)
def test_the_limit_of_nesting_is_the_same_for_both(opening: bytes, closing: bytes) -> None:
    a_level = opening.count(b"[") + opening.count(b"{")
    for levels, is_taken in ((MAX_DEPTH // a_level, True), (MAX_DEPTH // a_level + 1, False)):
        body = opening * levels + b'"["' + closing * levels
        assert watched(body).is_json is is_taken
        if is_taken:
            assert judge(body, ["json"]).type == "json"
        else:
            with pytest.raises(DamagedContent, match="more than 500 levels deep"):
                judge(body, ["json"])


def endless(start: bytes, unit: bytes, end: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """8 MiB of the unit between start and end, in chunks of 64 KiB."""

    def chunks() -> Iterator[bytes]:
        chunk = unit * (64 * 1024 // len(unit))
        yield start
        yield from repeat(chunk, 8 * MIB // len(chunk))
        yield end

    return chunks


DOCUMENTS: dict[str, Callable[[], Iterator[bytes]]] = {
    "one string": endless(b'["', b"a", b'"]'),
    "one name": endless(b'{"', b"a", b'":1}'),
    "one string of escapes": endless(b'["', b"\\u00e9", b'"]'),
    "one string of backslashes": endless(b'["', b"\\\\", b'"]'),
    "one string of quotes": endless(b'["', b'\\"', b'"]'),
    "one string of brackets": endless(b'["', b"[", b'"]'),
    "one number": endless(b"[", b"1", b"]"),
    "one fraction": endless(b"[0.", b"0", b"]"),
    "one exponent": endless(b"[-1E+", b"0", b"]"),
    "space": endless(b"[1", b" ", b"]"),
    "space before": endless(b"", b" ", b"[]"),
    "space after": endless(b"[]", b" "),
    "deep again and again": endless(b"[0", b"," + b'[{"":' * 240 + b"0" + b"}]" * 240, b"]"),
    "empty strings": endless(b"[0", b',""', b"]"),
    "empty arrays": endless(b"[0", b",[]", b"]"),
}
OTHERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "zeros": endless(b"[", b"0", b"]"),
    "negative zeros": endless(b"[-", b"0", b"]"),
    "dots": endless(b"[", b"1.", b"]"),
    "no digits after the point": endless(b"[", b"1", b".]"),
    "space in a number": endless(b"[1", b" ", b"1]"),
    "letters": endless(b"[", b"true", b"]"),
    "depth": endless(b"", b"["),
    "deep objects": endless(b"", b'{"a":'),
    "closing": endless(b"[", b"]"),
    "not UTF-8": endless(b'["', b"\xff", b'"]'),
    "an escape cut": endless(b'["', b"a", b'\\u12"]'),
    "binary": endless(b"\x89PNG\r\n\x1a\n", bytes(range(256))),
}


@pytest.mark.parametrize("name", [*DOCUMENTS, *OTHERS])
def test_a_hostile_stream_holds_no_memory(name: str) -> None:
    chunks = list({**DOCUMENTS, **OTHERS}[name]())
    watcher = Watcher()
    tracemalloc.start()
    try:
        for chunk in chunks:
            watcher.feed(chunk)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100 * 1024
    assert peak < MIB
    seen = watcher.seen()
    assert seen.size == sum(map(len, chunks))
    assert seen.is_json == (name in DOCUMENTS)


@pytest.mark.parametrize("name", [*DOCUMENTS, *OTHERS])
def test_a_hostile_stream_takes_time_in_proportion_to_its_length(name: str) -> None:
    chunks = list({**DOCUMENTS, **OTHERS}[name]())
    a_quarter = seconds_to_watch(chunks[: len(chunks) // 4])
    all_of_it = seconds_to_watch(chunks)
    # Four times as much would be linear, sixteen times quadratic.
    assert all_of_it < 9 * a_quarter + NOTICEABLE_SECONDS


def seconds_to_watch(chunks: list[bytes]) -> float:
    """Processor time, so that nobody else's work counts."""
    watcher = Watcher()
    started = time.process_time()
    for chunk in chunks:
        watcher.feed(chunk)
    return time.process_time() - started
