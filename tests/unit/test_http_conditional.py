"""Preconditions: lists of entity tags, and what they mean for reads and for writes."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from starlette.datastructures import Headers

from sangraha.errors import (
    InvalidParameter,
    MalformedRequest,
    PreconditionFailed,
    PreconditionRequired,
)
from sangraha.http.conditional import (
    MAX_TAGS,
    evaluate,
    if_range_holds,
    is_known,
    known_digests,
    precondition_of,
    required_revisions_of,
    revisions_of,
)
from sangraha.http.entity_tags import EntityTags, parse_entity_tags
from sangraha.messages import Precondition

DIGEST, OTHER = "0123456789abcdef" * 4, "f" * 64
TAG, WEAK, FOREIGN = f'"{DIGEST}"', f'W/"{DIGEST}"', '"xyzzy"'
CREATED = datetime(2031, 5, 6, 7, 8, 9, 876543, tzinfo=UTC)
BEFORE, THEN, AFTER = (f"Tue, 06 May 2031 07:08:{second} GMT" for second in ("08", "09", "10"))


def sent(*fields: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in fields])


def verdict(*fields: tuple[str, str], method: str = "GET") -> str:
    try:
        return evaluate(sent(*fields), method, TAG, CREATED)
    except PreconditionFailed:
        return "failed"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        (["*"], EntityTags(is_any=True)),
        ([" * "], EntityTags(is_any=True)),
        (['"*"'], EntityTags(strong=('"*"',))),
        (['"xyzzy"'], EntityTags(strong=('"xyzzy"',))),
        (['W/"xyzzy"'], EntityTags(weak=('"xyzzy"',))),
        (['""'], EntityTags(strong=('""',))),
        (
            ['"xyzzy", "r2d2xxxx", "c3piozzzz"'],
            EntityTags(('"xyzzy"', '"r2d2xxxx"', '"c3piozzzz"')),
        ),
        (['W/"xyzzy", "a,b" ,,W/"\xe9\\"'], EntityTags(('"a,b"',), ('"xyzzy"', '"\xe9\\"'))),
        (['"a"', '"b"'], EntityTags(('"a"', '"b"'))),
        ([""], EntityTags(is_well_formed=False)),
        ([", ,"], EntityTags(is_well_formed=False)),
        (["xyzzy"], EntityTags(is_well_formed=False)),
        (['"a" "b"'], EntityTags(is_well_formed=False)),
        (['"a", b'], EntityTags(strong=('"a"',), is_well_formed=False)),
        (['"a", *'], EntityTags(strong=('"a"',), is_well_formed=False)),
        (['w/"a"'], EntityTags(is_well_formed=False)),
        (['"a'], EntityTags(is_well_formed=False)),
        (['"a b"'], EntityTags(is_well_formed=False)),
    ],
)
def test_lists_of_entity_tags(values: Sequence[str], expected: EntityTags | None) -> None:
    assert parse_entity_tags(values) == expected


@pytest.mark.parametrize(
    ("tag", "strongly", "weakly"),
    [('"1"', True, True), ('W/"1"', False, True), ('"2"', False, False)],
)
def test_strong_and_weak_comparison_as_in_rfc_9110(tag: str, strongly: bool, weakly: bool) -> None:
    tags = parse_entity_tags([tag])
    assert tags is not None
    assert tags.strongly_match('"1"') is strongly
    assert tags.weakly_match('"1"') is weakly


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "proceed"),
        ([("If-Match", TAG)], "proceed"),
        ([("If-Match", "*")], "proceed"),
        ([("If-Match", f"{FOREIGN}, {TAG}")], "proceed"),
        ([("If-Match", FOREIGN), ("If-Match", TAG)], "proceed"),
        ([("If-Match", FOREIGN)], "failed"),
        ([("If-Match", WEAK)], "failed"),
        ([("If-Match", "nonsense")], "failed"),
        ([("If-Match", "")], "failed"),
        ([("If-None-Match", TAG)], "not-modified"),
        ([("If-None-Match", WEAK)], "not-modified"),
        ([("If-None-Match", "*")], "not-modified"),
        ([("If-None-Match", f"{FOREIGN},{TAG}")], "not-modified"),
        ([("If-None-Match", FOREIGN)], "proceed"),
        ([("If-None-Match", "nonsense")], "proceed"),
        ([("If-Modified-Since", THEN)], "not-modified"),
        ([("If-Modified-Since", AFTER)], "not-modified"),
        ([("If-Modified-Since", BEFORE)], "proceed"),
        ([("If-Modified-Since", "yesterday")], "proceed"),
        ([("If-Modified-Since", THEN), ("If-Modified-Since", THEN)], "proceed"),
        ([("If-Unmodified-Since", THEN)], "proceed"),
        ([("If-Unmodified-Since", AFTER)], "proceed"),
        ([("If-Unmodified-Since", BEFORE)], "failed"),
        ([("If-Unmodified-Since", "yesterday")], "proceed"),
        # Tags count before dates, and If-Match before all.
        ([("If-Match", TAG), ("If-Unmodified-Since", BEFORE)], "proceed"),
        ([("If-None-Match", FOREIGN), ("If-Modified-Since", THEN)], "proceed"),
        ([("If-None-Match", TAG), ("If-Modified-Since", BEFORE)], "not-modified"),
        ([("If-Match", FOREIGN), ("If-None-Match", TAG)], "failed"),
        ([("If-Match", TAG), ("If-None-Match", TAG)], "not-modified"),
        ([("If-Unmodified-Since", BEFORE), ("If-None-Match", TAG)], "failed"),
        ([("If-Unmodified-Since", AFTER), ("If-Modified-Since", THEN)], "not-modified"),
    ],
)
def test_reads_are_judged_in_the_order_of_rfc_9110(
    fields: list[tuple[str, str]], expected: str
) -> None:
    assert verdict(*fields) == expected
    assert verdict(*fields, method="HEAD") == expected


def test_other_methods_fail_where_a_read_would_be_304_and_ignore_if_modified_since() -> None:
    assert verdict(("If-None-Match", TAG), method="PUT") == "failed"
    assert verdict(("If-None-Match", FOREIGN), method="PUT") == "proceed"
    assert verdict(("If-Modified-Since", THEN), method="PUT") == "proceed"


def test_dates_mean_nothing_where_there_is_none_to_compare() -> None:
    headers = sent(("If-Unmodified-Since", BEFORE), ("If-Modified-Since", AFTER))
    assert evaluate(headers, "GET", TAG) == "proceed"


def test_a_description_is_judged_by_its_revision() -> None:
    assert evaluate(sent(("If-None-Match", '"r3"')), "GET", '"r3"') == "not-modified"
    assert evaluate(sent(("If-None-Match", '"r3"')), "GET", '"r4"') == "proceed"


@pytest.mark.parametrize(
    ("value", "by_id", "by_name"),
    [
        (TAG, True, True),
        (f" {TAG} ", True, True),
        (WEAK, False, False),
        (FOREIGN, False, False),
        ("*", False, False),
        (THEN, True, False),
        (BEFORE, False, False),
        (AFTER, False, False),
        ("", False, False),
        (f"{TAG}, {TAG}", False, False),
    ],
)
def test_if_range_wants_exactly_what_is_there(value: str, by_id: bool, by_name: bool) -> None:
    headers = sent(("If-Range", value))
    assert if_range_holds(headers, TAG, CREATED) is by_id
    assert if_range_holds(headers, TAG, None) is by_name


def test_without_if_range_every_range_is_heeded_and_with_two_none() -> None:
    assert if_range_holds(sent(), TAG, None)
    assert not if_range_holds(sent(("If-Range", TAG), ("If-Range", TAG)), TAG, CREATED)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], None),
        ([("If-Match", TAG)], Precondition(if_match=[DIGEST])),
        ([("If-Match", "*")], Precondition(if_match=["*"])),
        ([("If-Match", f'{TAG}, "{OTHER}"')], Precondition(if_match=[DIGEST, OTHER])),
        ([("If-Match", WEAK)], Precondition(if_match=[])),
        ([("If-Match", FOREIGN)], Precondition(if_match=[])),
        ([("If-Match", f'"{DIGEST.upper()}"')], Precondition(if_match=[])),
        ([("If-None-Match", "*")], Precondition(if_none_match=["*"])),
        ([("If-None-Match", WEAK)], Precondition(if_none_match=[DIGEST])),
        ([("If-None-Match", '"*"')], Precondition(if_none_match=[])),
        (
            [("If-Match", TAG), ("If-None-Match", f'"{OTHER}"'), ("If-Unmodified-Since", BEFORE)],
            Precondition(if_match=[DIGEST], if_none_match=[OTHER]),
        ),
        ([("If-Unmodified-Since", "yesterday")], None),
        ([("If-Modified-Since", THEN)], None),
    ],
)
def test_what_a_write_asks_for(
    fields: list[tuple[str, str]], expected: Precondition | None
) -> None:
    assert precondition_of(sent(*fields)) == expected


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", DIGEST, f"{TAG} {TAG}", f"*, {TAG}", f'{TAG}, "'])
def test_a_precondition_of_a_write_that_cannot_be_read_is_refused(name: str, value: str) -> None:
    with pytest.raises(MalformedRequest, match=name):
        precondition_of(sent((name, value)))
    with pytest.raises(MalformedRequest):
        revisions_of(sent(("If-Match", value)))


def test_a_precondition_of_too_many_tags_is_refused_and_not_cut() -> None:
    assert precondition_of(sent(("If-Match", ",".join([TAG] * MAX_TAGS)))) is not None
    with pytest.raises(MalformedRequest, match="more than"):
        precondition_of(sent(("If-Match", ",".join([TAG] * (MAX_TAGS + 1)))))


def test_a_write_cannot_ask_for_a_date() -> None:
    with pytest.raises(InvalidParameter, match="If-Match"):
        precondition_of(sent(("If-Unmodified-Since", BEFORE)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["*"], None),
        (['"r1"'], [1]),
        (['"r1", "r12"'], [1, 12]),
        (['"r1"', TAG], [1]),
        (['W/"r1"'], []),
        ([TAG], []),
        (['"r-1", "r", "r1x", "r9999999999999999999"'], []),
    ],
)
def test_revisions_in_if_match(values: list[str], expected: list[int] | None) -> None:
    headers = sent(*(("If-Match", value) for value in values))
    assert revisions_of(headers) == expected
    assert required_revisions_of(headers) == expected


def test_a_change_may_have_to_say_what_it_is_a_change_of() -> None:
    assert revisions_of(sent()) is None
    with pytest.raises(PreconditionRequired):
        required_revisions_of(sent(("If-None-Match", "*")))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        ([TAG], True),
        ([WEAK], True),
        ([f"{FOREIGN}, {TAG}"], True),
        ([FOREIGN, f'{WEAK} , "y"'], True),
        (["*"], True),
        ([f'"x,{DIGEST}"'], False),
        ([DIGEST], False),
    ],
)
def test_digests_that_a_reader_has(values: list[str], expected: bool) -> None:
    headers = sent(*(("If-None-Match", value) for value in values))
    assert is_known(DIGEST, known_digests(headers)) is expected


def test_no_more_digests_are_carried_than_anyone_needs() -> None:
    many = sent(("If-None-Match", f"{TAG}, " * 100_000), ("If-None-Match", '"' + "x" * 1_000_000))
    assert len(known_digests(many)) == MAX_TAGS
