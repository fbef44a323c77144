"""Headers in and out: Prefer, If-None-Match, Content-Disposition, metadata."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sangraha.errors import InvalidParameter
from sangraha.http.conditional import MAX_TAGS, is_known, known_digests
from sangraha.http.disposition import content_disposition
from sangraha.http.metadata import checked_metadata, header_metadata
from sangraha.http.prefer import Preferences, parse_prefer

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("values", "wait", "applied"),
    [
        ([], 10, {}),
        (["respond-async"], 0, {"Preference-Applied": "respond-async"}),
        (["wait=3"], 3, {"Preference-Applied": "wait=3"}),
        (["Respond-Async, wait=5"], 5, {"Preference-Applied": "respond-async, wait=5"}),
        (["respond-async", 'wait="7"; x=y'], 7, {"Preference-Applied": "respond-async, wait=7"}),
        (["wait=1, wait=9"], 1, {"Preference-Applied": "wait=1"}),
        (["wait=100000000000000"], 60, {"Preference-Applied": "wait=60"}),
        (["wait=0"], 0, {"Preference-Applied": "wait=0"}),
        (["wait=-1", "wait=x", "wait=²", "return=minimal"], 10, {}),
    ],
)
def test_preferences(values: list[str], wait: float, applied: dict[str, str]) -> None:
    preferences = parse_prefer(values)
    assert preferences.wait(otherwise=10) == wait
    assert preferences.applied() == applied


@given(st.lists(st.text()))
def test_any_prefer_header_is_survived(values: list[str]) -> None:
    assert isinstance(parse_prefer(values), Preferences)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        ([f'"{DIGEST}"'], True),
        ([f'W/"{DIGEST}"'], True),
        ([f'"x", "{DIGEST}"'], True),
        (['"x"', f'W/"{DIGEST}" , "y"'], True),
        (["*"], True),
        ([f'"x,{DIGEST}"'], False),
        ([DIGEST], False),
    ],
)
def test_if_none_match(values: list[str], expected: bool) -> None:
    assert is_known(DIGEST, known_digests(values)) is expected


def test_no_more_tags_are_carried_than_anyone_needs() -> None:
    assert len(known_digests([f'"{DIGEST}", ' * 100_000, '"' + "x" * 1_000_000])) == MAX_TAGS


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80))
def test_any_file_name_comes_back_out_of_content_disposition(file_name: str) -> None:
    header = content_disposition(file_name)
    assert header.isascii()
    if extended := re.search(r"; filename\*=UTF-8''([^\s;\"]+)$", header):
        assert unquote(extended[1], errors="strict") == file_name
    else:
        assert header == f'inline; filename="{file_name}"'


def test_metadata_headers_are_percent_encoded_utf_8() -> None:
    headers = [("sangraha-meta-place", "%E0%AA%A8%E0%AA%A6%E0%AB%80"), ("accept", "x")]
    assert header_metadata(headers) == {"place": "નદી"}
    with pytest.raises(InvalidParameter, match="sangraha-meta-a"):
        header_metadata([("sangraha-meta-a", "%FF")])
    with pytest.raises(InvalidParameter, match="sangraha-meta-a"):
        header_metadata([("sangraha-meta-a", "\xe0\xaa\xa7")])


@pytest.mark.parametrize("metadata", [{"a": "x" * 8192}, {"": "x"}, {"a": "x\0"}, {"a\0": "x"}])
def test_metadata_that_cannot_be_kept_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        checked_metadata(metadata)
