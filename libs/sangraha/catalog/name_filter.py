"""Which of a bucket's names a listing leaves out."""

from sqlalchemy import ColumnElement, exists, func

from sangraha.catalog.tables import objects
from sangraha.catalog.text import is_storable
from sangraha.errors import InvalidParameter
from sangraha.messages import ListNames


def is_filtered(asked: ListNames) -> bool:
    """Whether any name may be left out."""
    return bool(asked.type or asked.created_after or asked.metadata)


def conditions(asked: ListNames, dialect: str) -> list[ColumnElement[bool]]:
    """What must hold of a row of objects to be listed.

    Raises InvalidParameter for metadata that no object can have.
    """
    found: list[ColumnElement[bool]] = []
    if asked.type is not None:
        found.append(objects.c.type == asked.type)
    if asked.created_after is not None:
        found.append(objects.c.created_at > asked.created_after)
    for key, value in asked.metadata.items():
        if not (is_storable(key) and is_storable(value)):
            raise InvalidParameter("metadata has a character that no database keeps")
        found.append(_has(dialect, key, value))
    return found


def _has(dialect: str, key: str, value: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        found: ColumnElement[bool] = objects.c.metadata[key].as_string() == value
        return found
    # As a path, a key would have to be quoted, and SQLite cannot quote every one.
    member = func.json_each(objects.c.metadata).table_valued("key", "value")
    return exists().where(member.c.key == key, member.c.value == value)
