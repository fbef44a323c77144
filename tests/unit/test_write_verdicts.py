"""What a write comes to before it is committed, by its bytes and its bucket's rules."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sangraha.buckets import Bucket
from sangraha.catalog.verdict import NewObject
from sangraha.content_types import Watcher
from sangraha.ids import IdMint, made_at
from sangraha.messages import (
    Claimed,
    CreateObject,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Inline,
    PatchInfo,
    Precondition,
    Rejected,
    WriteRequest,
)
from sangraha.objects import Location
from sangraha_orchestrator.verdicts import body_key, verdict
from tests.samples import image, pdf

MINT = IdMint(b"a secret of the tests")


def rules(**changes: Any) -> dict[str, Bucket]:
    return {"default": Bucket(name="default", created_at=datetime.now(UTC), revision=1, **changes)}


def inline(body: bytes, **fields: Any) -> CreateObject:
    return CreateObject(**{"request_id": MINT.new(), "content": Inline(body), **fields})


def claimed(body: bytes, **fields: Any) -> CreateObject:
    watcher = Watcher()
    watcher.feed(body)
    content = Claimed(
        key="default/objects/somewhere",
        sha256=hashlib.sha256(body).hexdigest(),
        seen=watcher.seen(),
    )
    return CreateObject(**{"request_id": MINT.new(), "content": content, **fields})


def kept(request: WriteRequest, **changes: Any) -> NewObject:
    entry = verdict(request, rules(**changes))
    assert isinstance(entry, NewObject), entry
    return entry


def refused(request: WriteRequest, **changes: Any) -> str:
    entry = verdict(request, rules(**changes))
    assert isinstance(entry, Rejected), entry
    assert entry.request_id == request.request_id
    return entry.problem.slug


@pytest.mark.parametrize("make", [inline, claimed])
def test_a_create_becomes_the_object_that_was_asked_for(make: Any) -> None:
    picture = image("PNG")
    condition = Precondition(if_none_match=["*"])
    request = make(
        picture,
        name="a/b",
        file_name="b.png",
        declared_content_type="image/gif",
        metadata={"a": "1"},
        precondition=condition,
    )
    entry = kept(request)
    stored = entry.object
    assert stored.object_id == stored.request_id == request.request_id
    assert (stored.bucket, stored.name, stored.file_name) == ("default", "a/b", "b.png")
    assert (stored.type, stored.content_type) == ("image", "image/png")
    assert stored.declared_content_type == "image/gif"
    assert (stored.size, stored.sha256) == (len(picture), hashlib.sha256(picture).hexdigest())
    assert stored.metadata == {"a": "1"}
    assert stored.created_at == made_at(request.request_id)
    assert entry.location == Location(body_key(request), 0, len(picture))
    assert entry.body_size == len(picture)
    assert entry.precondition == condition


def test_a_claimed_body_stays_at_its_key_and_an_inline_one_gets_one_with_its_name() -> None:
    assert body_key(claimed(b"1")) == "default/objects/somewhere"
    request = inline(b"1", bucket="maps", file_name="Ä map.pdf")
    assert body_key(request) == f"maps/objects/{request.request_id}-A-map.pdf"


@pytest.mark.parametrize("make", [inline, claimed])
def test_a_type_must_be_allowed_by_the_address_and_by_the_bucket(make: Any) -> None:
    pictures = {"allowed_types": ["image/*", "json"]}
    assert kept(make(image("PNG"), allowed=["image"]), **pictures).object.type == "image"
    assert kept(make(b"{}"), **pictures).object.type == "json"
    assert refused(make(b"{}", allowed=["image"]), **pictures) == "type-not-allowed"
    assert refused(make(pdf(), allowed=["pdf"]), **pictures) == "type-not-allowed"
    assert refused(make(pdf()), **pictures) == "type-not-allowed"
    assert refused(make(image("PNG")[:-9]), **pictures) == "damaged-content"
    assert refused(make(b""), **pictures) == "empty-body"
    assert kept(make(image("PNG")[:-9])).object.type == "other"
    assert kept(make(b"")).object.size == 0


@pytest.mark.parametrize("make", [inline, claimed])
def test_encoded_bytes_are_what_they_were_declared_as_or_refused(make: Any) -> None:
    encoded = {"content_encoding": "br", "declared_content_type": "Text/HTML; charset=utf-8"}
    stored = kept(make(b"{}", **encoded)).object
    assert (stored.type, stored.content_encoding) == ("other", "br")
    assert stored.content_type == "text/html; charset=utf-8"
    unknown = kept(make(b"{}", content_encoding="br")).object
    assert unknown.content_type == "application/octet-stream"
    assert refused(make(b"{}", allowed=["json"], **encoded)) == "encoding-not-allowed"
    assert refused(make(b"{}", **encoded), allowed_types=["text/*"]) == "encoding-not-allowed"


@pytest.mark.parametrize("make", [inline, claimed])
def test_a_bucket_takes_bodies_up_to_its_limit(make: Any) -> None:
    assert kept(make(b"12345"), max_object_bytes=5).object.size == 5
    assert refused(make(b"123456"), max_object_bytes=5) == "body-too-large"
    assert refused(make(b"1"), max_object_bytes=0) == "body-too-large"


def test_the_buckets_metadata_lies_under_the_objects_own() -> None:
    defaults = {"default_metadata": {"a": "default", "b": "default"}}
    assert kept(inline(b"1", metadata={"b": "own"}), **defaults).object.metadata == {
        "a": "default",
        "b": "own",
    }
    much = {"default_metadata": {"a": "x" * 5000}}
    assert refused(inline(b"1", metadata={"b": "y" * 5000}), **much) == "invalid-parameter"


def test_a_create_in_a_bucket_that_is_not_there_is_refused() -> None:
    assert refused(inline(b"1", bucket="elsewhere")) == "not-found"


def test_a_write_without_bytes_is_left_to_the_commit() -> None:
    changes: list[WriteRequest] = [
        DeleteName(request_id=MINT.new(), bucket="elsewhere", name="n"),
        DeleteObject(request_id=MINT.new(), object_id=UUID(int=1)),
        PatchInfo(request_id=MINT.new(), object_id=UUID(int=1), metadata={"a": None}),
        DeleteBucket(request_id=MINT.new(), bucket="elsewhere"),
    ]
    for change in changes:
        assert verdict(change, {}) is change
