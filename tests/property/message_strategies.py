"""Groups of every kind with anything in them that their types allow."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from sangraha.buckets import Bucket, BucketPage, BucketSettings
from sangraha.content_types.seen import Seen
from sangraha.errors import Problem
from sangraha.messages import (
    BucketFound,
    BucketsListed,
    Claimed,
    CopyObject,
    CreateBucket,
    CreateObject,
    Dead,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    Found,
    GetBucket,
    GetNamed,
    GetObject,
    Group,
    Inline,
    ListBuckets,
    Listed,
    ListNames,
    ListObjects,
    ListVersions,
    MoveObject,
    NamesListed,
    PatchBucket,
    PatchInfo,
    Precondition,
    ReadFailed,
    ReadGroup,
    ReadOutcome,
    ReadReplies,
    ReadRequest,
    Rejected,
    Underway,
    VersionsListed,
    WriteGroup,
    WriteOutcome,
    WriteReplies,
    WriteRequest,
)
from sangraha.objects import (
    Location,
    NamePage,
    ObjectInfo,
    ObjectPage,
    StoredObject,
    Version,
    VersionPage,
)

ids = st.uuids()
texts = st.text(max_size=40)
maybe_text = st.none() | texts
numbers = st.integers(-(2**63), 2**64 - 1)
maybe_number = st.none() | numbers
types = st.sampled_from(["json", "image", "pdf", "other"])
patterns = st.lists(types | texts, max_size=4)
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
tracing = {"correlation_id": maybe_text, "traceparent": maybe_text}

problems = st.builds(
    Problem, slug=texts, status=st.integers(400, 599), title=texts, detail=texts, members=members
)

of_object = {
    "object_id": ids,
    "request_id": ids,
    "bucket": texts,
    "name": maybe_text,
    "file_name": maybe_text,
    "version": numbers,
    "type": types,
    "content_type": texts,
    "declared_content_type": maybe_text,
    "content_encoding": maybe_text,
    "size": numbers,
    "sha256": texts,
    "metadata": metadata,
    "created_at": times,
}
objects = st.builds(StoredObject, **of_object)
infos = st.builds(ObjectInfo, **of_object, revision=numbers)

of_bucket = {
    "allowed_types": patterns,
    "max_object_bytes": maybe_number,
    "versions_to_keep": maybe_number,
    "default_metadata": metadata,
    "name_cache_seconds": numbers,
    "id_cache_seconds": numbers,
}
bucket_settings = st.builds(BucketSettings, **of_bucket)
buckets = st.builds(Bucket, **of_bucket, name=texts, created_at=times, revision=numbers)

preconditions = st.none() | st.builds(
    Precondition,
    if_match=st.none() | st.lists(texts, max_size=2),
    if_none_match=st.none() | st.lists(texts, max_size=2),
)
contents = st.builds(Inline, body=st.binary(max_size=200)) | st.builds(
    Claimed,
    key=texts,
    sha256=texts,
    seen=st.builds(
        Seen,
        size=numbers,
        head=st.binary(max_size=50),
        tail=st.binary(max_size=50),
        is_json=st.booleans(),
        json_damage=maybe_text,
    ),
)
revisions = st.none() | st.lists(numbers, max_size=2)

writes: st.SearchStrategy[WriteRequest] = st.one_of(
    st.builds(
        CreateObject,
        request_id=ids,
        **tracing,
        bucket=texts,
        name=maybe_text,
        precondition=preconditions,
        allowed=patterns,
        file_name=maybe_text,
        declared_content_type=maybe_text,
        content_encoding=maybe_text,
        metadata=metadata,
        content=contents,
    ),
    st.builds(
        DeleteName, request_id=ids, **tracing, bucket=texts, name=texts, precondition=preconditions
    ),
    st.builds(DeleteObject, request_id=ids, **tracing, object_id=ids, precondition=preconditions),
    st.builds(
        PatchInfo,
        request_id=ids,
        **tracing,
        object_id=ids,
        metadata=st.dictionaries(texts, maybe_text, max_size=3),
        revisions=revisions,
    ),
    st.builds(
        CopyObject,
        request_id=ids,
        **tracing,
        object_id=ids,
        bucket=texts,
        name=maybe_text,
        overwrite=st.booleans(),
        metadata=st.none() | metadata,
    ),
    st.builds(
        MoveObject,
        request_id=ids,
        **tracing,
        object_id=ids,
        bucket=texts,
        name=texts,
        overwrite=st.booleans(),
    ),
    st.builds(CreateBucket, request_id=ids, **tracing, bucket=texts, settings=bucket_settings),
    st.builds(
        PatchBucket, request_id=ids, **tracing, bucket=texts, changes=members, revisions=revisions
    ),
    st.builds(DeleteBucket, request_id=ids, **tracing, bucket=texts, purge=st.booleans()),
)
write_outcomes: st.SearchStrategy[WriteOutcome] = st.one_of(
    st.builds(
        Done,
        request_id=ids,
        object=st.none() | objects,
        revision=maybe_number,
        bucket=st.none() | buckets,
        replaced=st.booleans(),
    ),
    st.builds(Underway, request_id=ids, done=numbers, total=numbers),
    st.builds(Rejected, request_id=ids, problem=problems),
    st.builds(Dead, request_id=ids, problem=problems),
)

wanted = {"want_body": st.booleans(), "known_sha256": st.lists(texts, max_size=3)}
page_of = {"cursor": maybe_text, "limit": numbers}
reads: st.SearchStrategy[ReadRequest] = st.one_of(
    st.builds(GetObject, read_id=ids, **tracing, object_id=ids, **wanted),
    st.builds(
        GetNamed, read_id=ids, **tracing, bucket=texts, name=texts, version=maybe_number, **wanted
    ),
    st.builds(
        ListObjects,
        read_id=ids,
        **tracing,
        type=st.none() | types,
        page=numbers,
        page_size=numbers,
    ),
    st.builds(
        ListNames,
        read_id=ids,
        **tracing,
        bucket=texts,
        prefix=texts,
        delimiter=maybe_text,
        **page_of,
        type=st.none() | types,
        created_after=st.none() | times,
        metadata=metadata,
    ),
    st.builds(ListVersions, read_id=ids, **tracing, bucket=texts, name=texts, **page_of),
    st.builds(GetBucket, read_id=ids, **tracing, bucket=texts),
    st.builds(ListBuckets, read_id=ids, **tracing, **page_of),
)

pages = st.builds(
    ObjectPage,
    total=numbers,
    total_pages=numbers,
    current_page=numbers,
    page_size=numbers,
    objects=st.lists(objects, max_size=2),
)
name_pages = st.builds(
    NamePage,
    objects=st.lists(objects, max_size=2),
    prefixes=st.lists(texts, max_size=2),
    next_cursor=maybe_text,
)
versions = st.builds(
    Version,
    object_id=ids,
    version=numbers,
    current=st.booleans(),
    deleted=st.booleans(),
    created_at=times,
    object=st.none() | objects,
)
version_pages = st.builds(
    VersionPage, versions=st.lists(versions, max_size=2), next_cursor=maybe_text
)
bucket_pages = st.builds(BucketPage, buckets=st.lists(buckets, max_size=2), next_cursor=maybe_text)
read_outcomes: st.SearchStrategy[ReadOutcome] = st.one_of(
    st.builds(
        Found,
        read_id=ids,
        object=infos,
        max_age_seconds=numbers,
        modified_at=times,
        known=st.booleans(),
        body=st.none() | st.binary(max_size=200),
        location=st.none() | st.builds(Location, key=texts, offset=numbers, length=numbers),
    ),
    st.builds(Listed, read_id=ids, page=pages),
    st.builds(NamesListed, read_id=ids, page=name_pages),
    st.builds(VersionsListed, read_id=ids, page=version_pages),
    st.builds(BucketFound, read_id=ids, bucket=buckets),
    st.builds(BucketsListed, read_id=ids, page=bucket_pages),
    st.builds(ReadFailed, read_id=ids, problem=problems),
)

groups: st.SearchStrategy[Group] = st.one_of(
    st.builds(WriteGroup, group_id=ids, requests=st.lists(writes, min_size=1, max_size=3)),
    st.builds(
        WriteReplies, group_id=ids, outcomes=st.lists(write_outcomes, min_size=1, max_size=3)
    ),
    st.builds(ReadGroup, group_id=ids, requests=st.lists(reads, min_size=1, max_size=3)),
    st.builds(ReadReplies, group_id=ids, outcomes=st.lists(read_outcomes, min_size=1, max_size=3)),
)
