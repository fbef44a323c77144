"""The statements that read a bucket's names from the index they are in, in its order."""

from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    case,
    func,
    literal,
    literal_column,
    select,
)

from sangraha.catalog.name_filter import conditions
from sangraha.catalog.rows import OBJECT_COLUMNS
from sangraha.catalog.tables import objects
from sangraha.catalog.text import past_prefix
from sangraha.messages import ListNames

EXAMINED: Final = 10_000
"""A page of a filtered listing ends after so many names, whether they were left out or not."""
_LONGEST_NAME: Final = 1024
# Literally as in the index of listed names: only then may the database use it.
_IS_LISTED: Final[ColumnElement[bool]] = literal_column(
    "objects.is_current AND objects.state = 'live' AND objects.name IS NOT NULL"
)
_FIND: Final = {"postgresql": func.strpos, "sqlite": func.instr}


class NameWalk(msgspec.Struct, frozen=True, kw_only=True):
    """Through the listed names from `start` to before `end`, in the database of that dialect."""

    asked: ListNames
    dialect: str
    start: str
    end: str | None

    def in_a_row(self) -> Select[Any]:
        """The first objects, one more than asked for."""
        return (
            select(*OBJECT_COLUMNS)
            .where(*self._listed(literal(self.start)))
            .order_by(objects.c.name)
            .limit(self.asked.limit + 1)
        )

    def in_steps(self, delimiter: str) -> Select[Any]:
        """Likewise, each with its common prefix, or NULL where it has none.

        Each step finds the first object after the last one, or after all that share its prefix:
        the statement reads as many rows as it gives.
        """
        first = select(self._first(literal(self.start)).label("found"), literal(1).label("step"))
        walk = first.cte("walk", recursive=True)
        last = objects.alias("last")
        at = self._find(delimiter, last.c.name)
        # Nothing lies between a name and itself with U+0001; only U+0000 is less.
        following = case(
            (at > 0, func.substr(last.c.name, 1, at - 1).concat(_past(delimiter))),
            else_=last.c.name.concat("\x01"),
        )
        walk = walk.union_all(
            select(self._first(following), walk.c.step + 1)
            .join_from(walk, last, last.c.object_id == walk.c.found)
            .where(walk.c.step <= self.asked.limit)
        )
        at = self._find(delimiter, objects.c.name)
        common_prefix = case((at > 0, func.substr(objects.c.name, 1, at - 1 + len(delimiter))))
        return (
            select(*OBJECT_COLUMNS, common_prefix.label("common_prefix"))
            .join_from(walk, objects, objects.c.object_id == walk.c.found)
            .order_by(walk.c.step)
        )

    def first_unexamined(self) -> Select[tuple[str]]:
        """The name EXAMINED after the first, whether it is left out or not."""
        return (
            select(objects.c.name)
            .where(*self._in_range(literal(self.start)))
            .order_by(objects.c.name)
            .limit(1)
            .offset(EXAMINED)
        )

    def _first(self, start: ColumnElement[str]) -> ScalarSelect[UUID]:
        first = select(objects.c.object_id).where(*self._listed(start))
        return first.order_by(objects.c.name).limit(1).scalar_subquery()

    def _listed(self, start: ColumnElement[str]) -> list[ColumnElement[bool]]:
        return [*self._in_range(start), *conditions(self.asked, self.dialect)]

    def _in_range(self, start: ColumnElement[str]) -> list[ColumnElement[bool]]:
        found = [objects.c.bucket == self.asked.bucket, _IS_LISTED, objects.c.name >= start]
        return found if self.end is None else [*found, objects.c.name < self.end]

    def _find(self, delimiter: str, name: ColumnElement[str]) -> ColumnElement[int]:
        """Where the delimiter is in the name after the prefix, counted from the name's start
        and from 1; 0 if nowhere.
        """
        length = len(self.asked.prefix)
        at = _FIND[self.dialect](func.substr(name, length + 1), delimiter)
        return case((at > 0, at + length), else_=0)


def _past(delimiter: str) -> str:
    """What follows everything that starts with the delimiter, as long as names may be."""
    return past_prefix(delimiter) or delimiter + "\U0010ffff" * _LONGEST_NAME
