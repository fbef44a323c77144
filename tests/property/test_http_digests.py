"""Digest fields: whatever was written is read, whatever is read wrongly is refused."""

import base64

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from sangraha.errors import DigestMismatch, MalformedRequest
from sangraha.http.digests import Digester, expected_digests, repr_digest
from sangraha.http.structured_fields import parse_byte_sequences

keys = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,9}", fullmatch=True)
commas = st.sampled_from([",", ", ", " ,\t"])
parameters = st.sampled_from(["", ";a", "; b=1", ';c=" ,:"', ";d=t/k;e=?0", ";f=:QUE=:", ";g=-1.2"])
member = st.tuples(keys, st.binary(max_size=70), parameters, commas)


@given(st.lists(member, min_size=1, max_size=6))
def test_a_dictionary_is_read_as_it_was_written(
    written: list[tuple[str, bytes, str, str]],
) -> None:
    text = ""
    for key, value, parameter, comma in written:
        text += comma if text else ""
        text += f"{key}=:{base64.b64encode(value).decode()}:{parameter}"
    expected = {key: value for key, value, _, _ in written}
    assert parse_byte_sequences("X", [text]) == expected


@given(st.lists(st.text() | st.from_regex(r"(sha-256=:[A-Za-z0-9+/=]*:[;, ]*)+"), max_size=3))
def test_any_field_is_survived(values: list[str]) -> None:
    try:
        found = parse_byte_sequences("X", values)
    except MalformedRequest:
        return
    assert all(isinstance(value, bytes) for value in found.values())


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 300))
def test_a_body_matches_its_own_digest_however_it_is_cut_and_no_other(
    body: bytes, other: bytes, cut: int
) -> None:
    own = Digester(expected_digests(Headers()))
    own.update(body)
    claimed = expected_digests(Headers({"Repr-Digest": repr_digest(own.sha256)}))
    digester = Digester(claimed)
    digester.update(other[:cut])
    digester.update(other[cut:])
    try:
        digester.check()
    except DigestMismatch:
        assert body != other
    else:
        assert body == other
