"""The JSON envelope keeps its value byte for byte, and says what is wrong with it otherwise."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha_receiver.envelope import parse_envelope

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(value=VALUES, indent=st.sampled_from([None, 1, 4]), ascii_only=st.booleans())
def test_the_exact_bytes_of_the_value_are_kept(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    assert bytes(parse_envelope(b'{ "data" : ' + text + b" }").data) == text


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b"{}", "data"),
        (b'{"data": 1', "truncated"),
        (b'{"data": 1} x', "trailing"),
        (b'{"data": {"a": }}', "invalid"),
        (b'{"data": 1, "other": 2}', "other"),
        (b'{"data": 1, "metadata": {"a": 1}}', "str"),
        (b'{"data": 1, "file_name": "a\\u0000b"}', "control characters"),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ],
)
def test_what_is_not_an_envelope_is_refused_with_a_reason(document: bytes, reason: str) -> None:
    with pytest.raises((MalformedRequest, InvalidParameter), match=reason):
        parse_envelope(document)
