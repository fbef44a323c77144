"""Groups of every kind with anything in them that their types allow."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from sangraha.errors import Problem
from sangraha.messages import (
    CreateObject,
    Dead,
    Done,
    Found,
    GetObject,
    Group,
    Listed,
    ListObjects,
    ReadFailed,
    ReadGroup,
    ReadReplies,
    Rejected,
    WriteGroup,
    WriteReplies,
)
from sangraha.objects import ObjectPage, StoredObject

ids = st.uuids()
texts = st.text(max_size=40)
maybe_text = st.none() | texts
numbers = st.integers(-(2**63), 2**64 - 1)
types = st.sampled_from(["json", "image", "pdf", "other"])
times = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001  # hypothesis adds the zone itself
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
metadata = st.dictionaries(texts, texts, max_size=4)
members = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | texts,
        lambda values: st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)

problems = st.builds(
    Problem, slug=texts, status=st.integers(400, 599), title=texts, detail=texts, members=members
)
objects = st.builds(
    StoredObject,
    object_id=ids,
    request_id=ids,
    bucket=texts,
    name=maybe_text,
    file_name=maybe_text,
    version=numbers,
    type=types,
    content_type=texts,
    declared_content_type=maybe_text,
    size=numbers,
    sha256=texts,
    metadata=metadata,
    created_at=times,
)
creates = st.builds(
    CreateObject,
    request_id=ids,
    bucket=texts,
    allowed=st.lists(types, max_size=4),
    file_name=maybe_text,
    declared_content_type=maybe_text,
    metadata=metadata,
    correlation_id=maybe_text,
    traceparent=maybe_text,
    body=st.binary(max_size=200),
)
write_outcomes = (
    st.builds(Done, request_id=ids, object=objects)
    | st.builds(Rejected, request_id=ids, problem=problems)
    | st.builds(Dead, request_id=ids, problem=problems)
)
reads = st.builds(
    GetObject,
    read_id=ids,
    object_id=ids,
    want_body=st.booleans(),
    known_sha256=st.lists(texts, max_size=3),
    correlation_id=maybe_text,
    traceparent=maybe_text,
) | st.builds(
    ListObjects,
    read_id=ids,
    type=st.none() | types,
    page=numbers,
    page_size=numbers,
    correlation_id=maybe_text,
    traceparent=maybe_text,
)
pages = st.builds(
    ObjectPage,
    total=numbers,
    total_pages=numbers,
    current_page=numbers,
    page_size=numbers,
    objects=st.lists(objects, max_size=2),
)
read_outcomes = (
    st.builds(Found, read_id=ids, object=objects, body=st.none() | st.binary(max_size=200))
    | st.builds(Listed, read_id=ids, page=pages)
    | st.builds(ReadFailed, read_id=ids, problem=problems)
)

groups: st.SearchStrategy[Group] = st.one_of(
    st.builds(WriteGroup, group_id=ids, requests=st.lists(creates, min_size=1, max_size=3)),
    st.builds(
        WriteReplies, group_id=ids, outcomes=st.lists(write_outcomes, min_size=1, max_size=3)
    ),
    st.builds(ReadGroup, group_id=ids, requests=st.lists(reads, min_size=1, max_size=3)),
    st.builds(ReadReplies, group_id=ids, outcomes=st.lists(read_outcomes, min_size=1, max_size=3)),
)
