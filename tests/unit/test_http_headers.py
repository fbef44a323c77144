"""Headers in: preferences, idempotency keys, and metadata of the user's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.idempotency_key import MAX_KEY_CHARACTERS, idempotency_key
from sangraha.http.metadata import header_metadata
from sangraha.http.prefer import Preferences, parse_prefer
from sangraha.metadata import MAX_METADATA_BYTES, checked_metadata


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


def test_metadata_headers_are_percent_encoded_utf_8() -> None:
    headers = [("sangraha-meta-place", "%E0%AA%A8%E0%AA%A6%E0%AB%80"), ("accept", "x")]
    assert header_metadata(headers) == {"place": "નદી"}
    with pytest.raises(InvalidParameter, match="sangraha-meta-a"):
        header_metadata([("sangraha-meta-a", "%FF")])
    with pytest.raises(InvalidParameter, match="sangraha-meta-a"):
        header_metadata([("sangraha-meta-a", "\xe0\xaa\xa7")])


def test_metadata_is_bounded_in_bytes_of_keys_and_values() -> None:
    fitting = {"é": "x" * (MAX_METADATA_BYTES - 2)}
    assert checked_metadata(fitting) is fitting
    with pytest.raises(InvalidParameter):
        checked_metadata({"é": "x" * (MAX_METADATA_BYTES - 1)})


@pytest.mark.parametrize(
    "metadata", [{"": "x"}, {"a": "x\0"}, {"a\0": "x"}, {"a": "\ud800"}, {"\udfff": "a"}]
)
def test_metadata_that_cannot_be_kept_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        checked_metadata(metadata)


def keyed(*values: str) -> Headers:
    return Headers(raw=[(b"idempotency-key", value.encode("latin-1")) for value in values])


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255))
def test_any_printable_ascii_is_a_key_as_a_string(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for value in (quoted, f"  {quoted} ", f"{quoted};a=1; b"):
        assert idempotency_key(keyed(value)) == key


@pytest.mark.parametrize("key", ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "a/b:c=", "x" * 255])
def test_a_key_may_come_bare(key: str) -> None:
    assert idempotency_key(keyed(key)) == idempotency_key(keyed(f'"{key}"')) == key


def test_no_key_is_none() -> None:
    assert idempotency_key(keyed()) is None


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ['""'],
        ["a b"],
        ["a,b"],
        ["a;b=1"],
        ['"a'],
        ['a"'],
        ['"a"b'],
        ['"a" "b"'],
        ['"a\\b"'],
        ['"\x01"'],
        ['"é"'],
        ["é"],
        ["x" * (MAX_KEY_CHARACTERS + 1)],
        ['"' + "x" * (MAX_KEY_CHARACTERS + 1) + '"'],
        ["a", "a"],
    ],
)
def test_what_is_no_key_is_refused(values: list[str]) -> None:
    with pytest.raises(MalformedRequest):
        idempotency_key(keyed(*values))
