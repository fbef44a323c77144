"""Rows of the catalog as the structs everybody uses, and back. No statements."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Row

from sangraha.catalog.tables import bodies, objects
from sangraha.errors import Problem
from sangraha.messages import Dead, Rejected
from sangraha.objects import DEFAULT_BUCKET, Location, StoredObject

AnyRow = Row[*tuple[Any, ...]]
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_FIELDS: Final = StoredObject.__struct_fields__
OBJECT_COLUMNS: Final = tuple(objects.c[name] for name in _FIELDS)
"""The columns that make a StoredObject, in the order of its fields."""
LOCATION_COLUMNS: Final = (bodies.c.key, objects.c.body_offset, objects.c.body_length)
"""The columns that make a Location."""


def object_of(row: AnyRow) -> StoredObject:
    """The object of a row that starts with OBJECT_COLUMNS."""
    return StoredObject(**dict(zip(_FIELDS, row, strict=False)))


def location_of(row: AnyRow) -> Location:
    """The location of a row that ends with LOCATION_COLUMNS."""
    key, offset, length = row[-len(LOCATION_COLUMNS) :]
    return Location(key, offset, length)


def object_row(stored: StoredObject, location: Location, body_id: int) -> dict[str, Any]:
    """The row of a new object."""
    return {
        **msgspec.structs.asdict(stored),
        "body_id": body_id,
        "body_offset": location.offset,
        "body_length": location.length,
        "revision": 1,
        "state": "live",
    }


def placeholder_row(request_id: UUID) -> dict[str, Any]:
    """A row that holds an id inside a transaction and is gone at its end."""
    return {
        **dict.fromkeys(_FIELDS),
        "object_id": request_id,
        "request_id": request_id,
        "bucket": DEFAULT_BUCKET,
        "version": 1,
        "type": "other",
        "content_type": "",
        "size": 0,
        "sha256": "",
        "metadata": {},
        "created_at": _EPOCH,
        "body_id": None,
        "body_offset": 0,
        "body_length": 0,
        "revision": 1,
        "state": "deleted",
    }


def outcome_of(row: AnyRow) -> Rejected | Dead:
    """The outcome of a row (request_id, state, problem)."""
    request_id, state, problem = tuple(row)
    told = msgspec.convert(problem, Problem)
    if state == "dead":
        return Dead(request_id=request_id, problem=told)
    return Rejected(request_id=request_id, problem=told)


def json_of(value: Any) -> Any:
    """Structs, ids and times as what JSON can hold."""
    return msgspec.to_builtins(value)
