"""What a request comes to whatever is in the catalog, decided without a database."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sangraha.buckets import BucketSettings
from sangraha.catalog.verdict import Entry, Expired, NewObject, foregone, operation_of, storable
from sangraha.errors import RequestDead
from sangraha.ids import made_at
from sangraha.messages import (
    CopyObject,
    CreateBucket,
    Dead,
    DeleteBucket,
    DeleteName,
    DeleteObject,
    Done,
    MoveObject,
    PatchBucket,
    PatchInfo,
    Rejected,
    Underway,
    WriteOutcome,
)
from tests.contract.catalog_samples import new_object, rejected

LIFE = timedelta(hours=1)
NEW = new_object()
ID = NEW.request_id
CHANGE = DeleteName(request_id=ID, bucket="default", name="a")
REFUSAL = rejected(ID)
REFUSED = rejected(ID, "said before")
DEAD = Dead(request_id=ID, problem=RequestDead().problem())
IN_TIME = made_at(ID) + LIFE
LATE = IN_TIME + timedelta(milliseconds=1)

MADE = Done(request_id=ID, object=new_object(ID, content_type="text/plain").object)
DONE = Done(request_id=ID)
UNDERWAY = Underway(request_id=ID, done=1, total=2)
EXPIRED = Expired(ID)

CHANGES: list[Any] = [
    CHANGE,
    DeleteObject(request_id=ID, object_id=ID),
    PatchInfo(request_id=ID, object_id=ID, metadata={}),
    CopyObject(request_id=ID, object_id=ID, bucket="default", name="a"),
    MoveObject(request_id=ID, object_id=ID, bucket="default", name="a"),
    CreateBucket(request_id=ID, bucket="b", settings=BucketSettings()),
    PatchBucket(request_id=ID, bucket="b", changes={}),
    DeleteBucket(request_id=ID, bucket="b"),
]


@pytest.mark.parametrize("entry", [NEW, *CHANGES], ids=lambda entry: type(entry).__name__)
@pytest.mark.parametrize(
    ("made", "earlier", "now", "expected"),
    [
        (None, None, IN_TIME, None),
        (None, None, LATE, EXPIRED),
        (None, DEAD, IN_TIME, None),
        (None, DEAD, LATE, None),
        (None, REFUSED, LATE, REFUSED),
        (None, DONE, LATE, DONE),
        (None, UNDERWAY, LATE, UNDERWAY),
        (MADE, None, LATE, MADE),
        (MADE, DEAD, LATE, MADE),
    ],
)
def test_what_is_recorded_comes_first_and_age_next(
    entry: Entry,
    made: Done | None,
    earlier: WriteOutcome | None,
    now: datetime,
    expected: WriteOutcome | Expired | None,
) -> None:
    assert foregone(entry, made=made, earlier=earlier, now=now, life=LIFE) == expected


@pytest.mark.parametrize(
    ("made", "earlier", "now", "expected"),
    [
        (None, None, IN_TIME, REFUSAL),
        (None, None, LATE, REFUSAL),
        (None, DEAD, IN_TIME, REFUSAL),
        (None, REFUSED, IN_TIME, REFUSED),
        (None, DONE, IN_TIME, DONE),
        (MADE, None, IN_TIME, MADE),
    ],
)
def test_a_refusal_has_no_age_and_changes_nothing_that_is_recorded(
    made: Done | None,
    earlier: WriteOutcome | None,
    now: datetime,
    expected: WriteOutcome,
) -> None:
    assert foregone(REFUSAL, made=made, earlier=earlier, now=now, life=LIFE) == expected


@pytest.mark.parametrize(
    "field",
    ["file_name", "content_type", "declared_content_type", "content_encoding", "name", "bucket"],
)
def test_text_with_a_nul_is_rejected(field: str) -> None:
    fields: dict[str, Any] = {field: "a\0b"}
    outcome = storable(new_object(ID, **fields))
    assert isinstance(outcome, Rejected)
    assert outcome.request_id == ID
    assert outcome.problem.status == 422


@pytest.mark.parametrize(
    "change",
    [
        DeleteName(request_id=ID, bucket="default", name="\0"),
        DeleteName(request_id=ID, bucket="\0", name="a"),
        CopyObject(request_id=ID, object_id=ID, bucket="default", name="\0"),
        MoveObject(request_id=ID, object_id=ID, bucket="\0", name="a"),
        CreateBucket(request_id=ID, bucket="\0", settings=BucketSettings()),
        PatchBucket(request_id=ID, bucket="\0", changes={}),
        DeleteBucket(request_id=ID, bucket="\0"),
    ],
    ids=lambda change: type(change).__name__,
)
def test_so_is_a_change_with_one(change: Entry) -> None:
    outcome = storable(change)
    assert isinstance(outcome, Rejected)
    assert outcome.problem.status == 422


def test_other_text_and_any_metadata_is_storable() -> None:
    new = new_object(file_name="ü\u202e\U0010ffff", metadata={"\0": "\0"})
    for entry in (new, REFUSAL, *CHANGES):
        assert storable(entry) is entry


def test_an_object_has_the_id_of_its_request() -> None:
    other = new_object()
    wrong = NewObject(new_object(ID, object_id=other.request_id).object, other.location, 120)
    with pytest.raises(ValueError, match="of request"):
        storable(wrong)


def test_an_operation_is_named_as_on_the_wire() -> None:
    assert [operation_of(change) for change in CHANGES] == [
        "delete-name",
        "delete",
        "patch-info",
        "copy",
        "move",
        "create-bucket",
        "patch-bucket",
        "delete-bucket",
    ]
    assert operation_of(NEW) == operation_of(REFUSAL) == "create"
