"""The questions that fill the ledger; each is one statement, for any number of names or ids."""

from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, tuple_

from sangraha.catalog.asked import asked
from sangraha.catalog.columns import DatabaseClock
from sangraha.catalog.lookup import among
from sangraha.catalog.rows import HELD_BUCKET_COLUMNS, HELD_COLUMNS
from sangraha.catalog.tables import bodies, buckets, objects

VERSIONS_AT_ONCE: Final = 500
"""A commit lets go of at most so many versions of a name; the next one goes on."""
MORE_VERSIONS: Final = 64
"""So many more of a name may come with one group."""

_HELD: Final = select(*HELD_COLUMNS).select_from(
    objects.outerjoin(bodies, objects.c.body_id == bodies.c.id)
)
HELD: Final = _HELD.where(among(objects.c.object_id))
"""The rows of these ids."""

PLACES: Final = select(objects.c.object_id, objects.c.bucket, objects.c.name).where(
    among(objects.c.object_id)
)
"""Where the objects of these ids are."""


def _standing(table: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    # Literally as in the index: only then is it used.
    return (
        literal_column(f"({table}.state = 'live' OR {table}.is_marker)"),
        literal_column(f"{table}.name IS NOT NULL"),
    )


def _below() -> Select[Any]:
    taken, below = objects.alias("taken"), objects.alias("below")
    following = (
        select(below.c.object_id)
        .where(
            below.c.bucket == taken.c.bucket,
            below.c.name == taken.c.name,
            *_standing("below"),
            tuple_(below.c.rank, below.c.version) < tuple_(taken.c.rank, taken.c.version),
        )
        .order_by(below.c.rank.desc(), below.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    taken_ones = select(following).where(among(taken.c.object_id), taken.c.name.is_not(None))
    return _HELD.where(objects.c.object_id.in_(taken_ones))


BELOW: Final = _below()
"""The rows right below those of these ids, among the versions of their names."""


@cache
def tops(dialect: str) -> Select[Any]:
    """Of each name asked for its bucket, itself, its last number, the database's time, the bucket's
    row if any and its state, and the row on top if any.
    """
    wanted, numbered = asked(dialect), objects.alias("numbered")
    last = (
        select(func.max(numbered.c.version))
        .where(numbered.c.bucket == wanted.c.bucket, numbered.c.name == wanted.c.name)
        .scalar_subquery()
    )
    on_top = and_(
        objects.c.bucket == wanted.c.bucket,
        objects.c.name == wanted.c.name,
        literal_column("objects.is_current"),
        literal_column("objects.name IS NOT NULL"),
    )
    return select(
        wanted.c.bucket,
        wanted.c.name,
        func.coalesce(last, 0).label("last"),
        DatabaseClock().label("now"),
        *HELD_BUCKET_COLUMNS,
        *HELD_COLUMNS,
    ).select_from(
        wanted.outerjoin(buckets, buckets.c.name == wanted.c.bucket)
        .outerjoin(objects, on_top)
        .outerjoin(bodies, objects.c.body_id == bodies.c.id)
    )


@cache
def lowest_versions(dialect: str) -> Select[Any]:
    """Of each name asked for, how many live rows it has, and the lowest of them: those that its
    bucket does not keep and MORE_VERSIONS, but not over VERSIONS_AT_ONCE.
    """
    wanted = asked(dialect)
    at_name = (objects.c.bucket, objects.c.name)
    counted = (
        select(
            objects.c.object_id,
            func.count().over(partition_by=at_name).label("live"),
            func.row_number()
            .over(partition_by=at_name, order_by=(objects.c.rank, objects.c.version))
            .label("place"),
            buckets.c.versions_to_keep.label("keep"),
        )
        .select_from(
            wanted.join(
                objects,
                and_(objects.c.bucket == wanted.c.bucket, objects.c.name == wanted.c.name),
            ).join(buckets, buckets.c.name == wanted.c.bucket)
        )
        .where(*_standing("objects"), literal_column("objects.state = 'live'"))
        .subquery("counted")
    )
    too_many = counted.c.live - func.coalesce(counted.c.keep, counted.c.live)
    return (
        select(counted.c.live, *HELD_COLUMNS)
        .select_from(
            counted.join(objects, objects.c.object_id == counted.c.object_id).outerjoin(
                bodies, objects.c.body_id == bodies.c.id
            )
        )
        .where(counted.c.place <= VERSIONS_AT_ONCE, counted.c.place <= too_many + MORE_VERSIONS)
    )


@cache
def floors(dialect: str) -> Select[Any]:
    """Of each name and time asked for these, and the highest rank of what is no younger, but for
    the rows of some ids.
    """
    wanted = asked(dialect)
    highest = (
        select(func.max(objects.c.rank))
        .where(
            objects.c.bucket == wanted.c.bucket,
            objects.c.name == wanted.c.name,
            func.coalesce(objects.c.placed_at, objects.c.created_at) <= wanted.c.at,
            ~among(objects.c.object_id),
        )
        .scalar_subquery()
    )
    return select(wanted.c.bucket, wanted.c.name, wanted.c.at, func.coalesce(highest, 0))
