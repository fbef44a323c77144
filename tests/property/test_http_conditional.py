"""Preconditions under any headers, against the order of RFC 9110, section 13.2.2, said plainly."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from sangraha.errors import MalformedRequest, PreconditionFailed
from sangraha.http.conditional import evaluate, known_digests, precondition_of, revisions_of
from sangraha.http.dates import http_date, parse_http_date
from sangraha.http.entity_tags import EntityTags, parse_entity_tags

CURRENT = '"' + "a" * 64 + '"'
CREATED = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
FIELDS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")

opaque = st.text(st.characters(codec="latin-1", categories=["L", "N", "P"], exclude_characters='"'))
tags = st.tuples(st.booleans(), opaque.map(lambda text: f'"{text}"') | st.just(CURRENT))
tag_lists = st.lists(tags, min_size=1, max_size=5)
gaps = st.text(" \t,").map(lambda text: f",{text}")


@st.composite
def written(draw: st.DrawFn, members: list[tuple[bool, str]]) -> str:
    return "".join(draw(gaps) + ("W/" if is_weak else "") + tag for is_weak, tag in members) + draw(
        st.text(" \t,")
    )


@given(st.data(), tag_lists)
def test_a_list_of_tags_is_read_as_it_was_written(
    data: st.DataObject, members: list[tuple[bool, str]]
) -> None:
    strong = tuple(tag for is_weak, tag in members if not is_weak)
    weak = tuple(tag for is_weak, tag in members if is_weak)
    assert parse_entity_tags([data.draw(written(members))]) == EntityTags(strong, weak)


moments = st.integers(-3, 3).map(lambda seconds: CREATED + timedelta(seconds=seconds))
conditions = st.fixed_dictionaries(
    {},
    optional={
        "if-match": st.just("*") | tag_lists,
        "if-none-match": st.just("*") | tag_lists,
        "if-modified-since": moments,
        "if-unmodified-since": moments,
    },
)


@given(st.data(), conditions, st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]))
def test_a_request_is_judged_as_rfc_9110_says(
    data: st.DataObject, asked: dict[str, Any], method: str
) -> None:
    headers = {}
    for name, value in asked.items():
        if isinstance(value, datetime):
            headers[name] = http_date(value)
        else:
            headers[name] = value if isinstance(value, str) else data.draw(written(value))
    try:
        said: str = evaluate(Headers(headers), method, CURRENT, CREATED)
    except PreconditionFailed:
        said = "failed"
    assert said == expected(asked, method)


def expected(asked: dict[str, Any], method: str) -> str:
    wanted, known = asked.get("if-match"), asked.get("if-none-match")
    unmodified, modified = asked.get("if-unmodified-since"), asked.get("if-modified-since")
    if isinstance(wanted, list) and (False, CURRENT) not in wanted:
        return "failed"
    if wanted is None and isinstance(unmodified, datetime) and unmodified < CREATED:
        return "failed"
    reads = method in ("GET", "HEAD")
    if known is not None:
        if known != "*" and CURRENT not in [tag for _, tag in known]:
            return "proceed"
        return "not-modified" if reads else "failed"
    if reads and isinstance(modified, datetime) and modified >= CREATED:
        return "not-modified"
    return "proceed"


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(st.characters(codec="latin-1"))))
def test_any_headers_are_survived(fields: dict[str, str]) -> None:
    headers = Headers(fields)
    known_digests(headers)
    for judge in (precondition_of, revisions_of):
        with suppress(MalformedRequest):
            judge(headers)
    try:
        evaluate(headers, "GET", CURRENT, CREATED)
    except PreconditionFailed:
        assert "if-match" in fields


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_a_date_comes_back_to_the_second(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert parse_http_date(http_date(aware)) == aware.replace(microsecond=0)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2,8}, [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} .*"))
def test_any_date_is_survived(text: str) -> None:
    parse_http_date(text)
