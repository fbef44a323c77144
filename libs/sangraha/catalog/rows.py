"""Rows of the catalog as the structs everybody uses, and back. No statements."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row

from sangraha.buckets import DEFAULT_BUCKET, Bucket
from sangraha.catalog.held import Held, HeldBucket, blank
from sangraha.catalog.tables import bodies, buckets, objects
from sangraha.errors import Problem
from sangraha.messages import Dead, Done, Rejected
from sangraha.objects import Location, ObjectInfo, StoredObject

AnyRow = Row[*tuple[Any, ...]]
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_FIELDS: Final = StoredObject.__struct_fields__
OBJECT_COLUMNS: Final = tuple(objects.c[name] for name in _FIELDS)
"""The columns that make a StoredObject, in the order of its fields."""
_INFO_FIELDS: Final = ObjectInfo.__struct_fields__
INFO_COLUMNS: Final = tuple(objects.c[name] for name in _INFO_FIELDS)
"""The columns that make an ObjectInfo, in the order of its fields."""
_BUCKET_FIELDS: Final = Bucket.__struct_fields__
BUCKET_COLUMNS: Final = tuple(buckets.c[name] for name in _BUCKET_FIELDS)
"""The columns that make a Bucket, in the order of its fields."""
HELD_BUCKET_COLUMNS: Final = (*BUCKET_COLUMNS, buckets.c.state)
"""The columns that make a HeldBucket, in the order of its fields."""
LOCATION_COLUMNS: Final = (bodies.c.key, objects.c.body_offset, objects.c.body_length)
"""The columns that make a Location."""
_STANDING_COLUMNS: Final = (
    objects.c.revision,
    objects.c.state,
    objects.c.is_marker,
    objects.c.is_current,
    objects.c.rank,
    objects.c.replaced,
    objects.c.placed_at,
    objects.c.risen_at,
    bodies.c.size.label("body_size"),
)
HELD_COLUMNS: Final = (*OBJECT_COLUMNS, *_STANDING_COLUMNS, *LOCATION_COLUMNS)
"""The columns that make a Held, with a body or without."""


def object_of(row: AnyRow) -> StoredObject:
    """The object of a row that starts with OBJECT_COLUMNS."""
    return StoredObject(**dict(zip(_FIELDS, row, strict=False)))


def info_of(row: AnyRow) -> ObjectInfo:
    """The object and its revision of a row that starts with INFO_COLUMNS."""
    return ObjectInfo(**dict(zip(_INFO_FIELDS, row, strict=False)))


def bucket_of(values: Sequence[Any]) -> Bucket:
    """The bucket, given the values of BUCKET_COLUMNS."""
    return Bucket(**dict(zip(_BUCKET_FIELDS, values, strict=True)))


def held_bucket_of(values: Sequence[Any]) -> HeldBucket:
    """What is held of a bucket's row, given the values of HELD_BUCKET_COLUMNS."""
    *fields, state = values
    return HeldBucket(bucket_of(fields), state)


def location_of(row: AnyRow) -> Location:
    """The location of a row that ends with LOCATION_COLUMNS."""
    key, offset, length = row[-len(LOCATION_COLUMNS) :]
    return Location(key, offset, length)


def held_of(values: Sequence[Any]) -> Held:
    """What is held of a row, given the values of HELD_COLUMNS."""
    count = len(_FIELDS)
    revision, state, is_marker, is_current, rank, replaced, *rest = values[count:]
    placed_at, risen_at, body_size, *place = rest
    held = Held(
        stored=StoredObject(**dict(zip(_FIELDS, values, strict=False))),
        location=None if place[0] is None else Location(*place),
        body_size=body_size or 0,
        live=state == "live",
        is_marker=is_marker,
        is_current=is_current,
        rank=rank,
        revision=revision,
        replaced=replaced,
        placed_at=placed_at,
        risen_at=risen_at,
    )
    held.before = held.stand
    return held


def object_row(held: Held, body_id: int | None) -> dict[str, Any]:
    """The row of a new object, or of a marker."""
    return {
        **msgspec.structs.asdict(held.stored),
        "body_id": body_id,
        "body_offset": held.location.offset if held.location else 0,
        "body_length": held.location.length if held.location else 0,
        "revision": held.revision,
        "state": "live" if held.live else "deleted",
        "is_current": held.is_current,
        "is_marker": held.is_marker,
        "rank": held.rank,
        "replaced": held.replaced,
        "risen_at": held.risen_at,
    }


def bucket_row(held: HeldBucket) -> dict[str, Any]:
    """The row of a bucket."""
    return {**msgspec.structs.asdict(held.bucket), "state": held.state}


def placeholder_row(request_id: UUID) -> dict[str, Any]:
    """A row that holds an id inside a transaction: its request's, or gone at the end."""
    return object_row(blank(request_id, DEFAULT_BUCKET, None, _EPOCH, is_marker=False), None)


def outcome_of(row: AnyRow) -> Done | Rejected | Dead:
    """The outcome of a row (request_id, state, problem, result)."""
    request_id, state, problem, result = tuple(row)
    if state == "done":
        return msgspec.convert(result, Done)
    told = msgspec.convert(problem, Problem)
    if state == "dead":
        return Dead(request_id=request_id, problem=told)
    return Rejected(request_id=request_id, problem=told)


def json_of(value: Any) -> Any:
    """Structs, ids and times as what JSON can hold."""
    return msgspec.to_builtins(value)
