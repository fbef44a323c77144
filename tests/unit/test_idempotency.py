"""What makes a request the same as one before, whatever differs between the attempts."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from sangraha.content_types import Watcher
from sangraha.messages import (
    Claimed,
    CopyObject,
    CreateObject,
    DeleteName,
    Inline,
    PatchBucket,
    PatchInfo,
    Precondition,
    WriteRequest,
)
from sangraha_receiver.idempotency import IdempotencyKey, fingerprint

BODY = b"the same bytes"
OBJECT = UUID("018f6b1e-7a5c-7000-8000-000000000001")


def create(**fields: Any) -> CreateObject:
    return CreateObject(**{"request_id": uuid4(), "name": "a", "content": Inline(BODY), **fields})


def claimed(body: bytes = BODY) -> Claimed:
    watcher = Watcher()
    watcher.feed(body)
    digest = hashlib.sha256(body).hexdigest()
    return Claimed(key=f"default/objects/{uuid4()}", sha256=digest, seen=watcher.seen())


def seen_of(write: WriteRequest, operation: str = "put_object", *, is_end: bool = True) -> str:
    return fingerprint(operation, write, is_end=is_end)


def test_attempts_at_one_write_are_alike() -> None:
    again = create(correlation_id="x", traceparent="y", came_at=datetime.now(UTC))
    elsewhere = create(content=claimed())
    assert seen_of(create()) == seen_of(again) == seen_of(elsewhere)


@pytest.mark.parametrize(
    "different",
    [
        {"bucket": "other"},
        {"name": "b"},
        {"name": None},
        {"precondition": Precondition(if_none_match=["*"])},
        {"precondition": Precondition(if_match=["*"])},
        {"allowed": ["json"]},
        {"file_name": "b"},
        {"declared_content_type": "text/plain"},
        {"content_encoding": "gzip"},
        {"metadata": {"a": "b"}},
        {"content": Inline(BODY + b"!")},
        {"content": claimed(BODY + b"!")},
    ],
)
def test_whatever_matters_for_the_write_tells_it_from_another(different: dict[str, Any]) -> None:
    assert seen_of(create(**different)) != seen_of(create())


def test_every_field_counts_unless_it_is_of_the_attempt() -> None:
    told = {"bucket", "name", "precondition", "allowed", "file_name", "declared_content_type"}
    told |= {"content_encoding", "metadata", "content"}
    attempt = {"request_id", "correlation_id", "traceparent", "came_at"}
    assert {field.name for field in msgspec.structs.fields(CreateObject)} == told | attempt


def test_the_operation_and_what_follows_count() -> None:
    deletion = DeleteName(request_id=uuid4(), bucket="default", name="a")
    prints = {
        seen_of(create()),
        seen_of(create(), "create_files"),
        seen_of(create(), is_end=False),
        seen_of(deletion),
    }
    assert len(prints) == 4


def test_the_order_of_keys_does_not_count_but_removing_one_does() -> None:
    def patch(metadata: dict[str, str | None]) -> str:
        return seen_of(PatchInfo(request_id=uuid4(), object_id=OBJECT, metadata=metadata))

    assert patch({"a": "1", "b": None}) == patch({"b": None, "a": "1"})
    assert patch({"a": "1", "b": None}) != patch({"a": "1"})
    none, nothing = (
        PatchBucket(request_id=uuid4(), bucket="default", changes=changes)
        for changes in ({"versions_to_keep": None}, {})
    )
    assert seen_of(none) != seen_of(nothing)


def test_keys_of_earlier_releases_are_known() -> None:
    """A change of these would refuse every retry across an upgrade."""
    copy = CopyObject(request_id=uuid4(), object_id=OBJECT, bucket="default", name="b")
    conditional = create(precondition=Precondition(if_none_match=["*"]), metadata={"a": "b"})
    assert [seen_of(copy, "copy_object"), seen_of(conditional)] == [
        "168fb9839f0e736cb44d619e743a28a5b030ed52cf090ca348c85e8c81033c15",
        "51f95c920df5e014254e85a87e6db66818df7405209282f2acf47a7fd0fd275f",
    ]


def test_only_the_last_of_many_is_the_end() -> None:
    writes = [create(), create(), create()]
    key = IdempotencyKey("key", "create_files")

    def prints(*, is_end: bool) -> list[str]:
        return [one.fingerprint for one in key.reservations(writes, [4, 5, 7], is_end=is_end)]

    assert prints(is_end=True)[:2] == prints(is_end=False)[:2]
    assert prints(is_end=True)[2] != prints(is_end=False)[2]
    reserved = key.reservations(writes, [4, 5, 7], is_end=True)
    assert [(one.member, one.request_id) for one in reserved] == [
        (member, write.request_id) for member, write in zip([4, 5, 7], writes, strict=True)
    ]
    assert {(one.caller, one.key) for one in reserved} == {("anonymous", "key")}
