"""Pages of the versions of a name, the one on top first."""

from typing import Annotated, Final

import msgspec
from sqlalchemy import bindparam, literal_column, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.bucket_listing import require_bucket
from sangraha.catalog.cursor import cursor_of, position_of
from sangraha.catalog.rows import OBJECT_COLUMNS, AnyRow, object_of
from sangraha.catalog.tables import objects
from sangraha.catalog.text import is_storable
from sangraha.errors import NotFound
from sangraha.messages import ListVersions
from sangraha.objects import Version, VersionPage

_VERSIONS: Final = (
    select(*OBJECT_COLUMNS, objects.c.is_current, objects.c.is_marker, objects.c.rank)
    .where(
        objects.c.bucket == bindparam("bucket"),
        objects.c.name == bindparam("name"),
        literal_column(
            "objects.name IS NOT NULL AND (objects.state = 'live' OR objects.is_marker)"
        ),
    )
    .order_by(objects.c.rank.desc(), objects.c.version.desc())
    .limit(bindparam("limit"))
)
_BELOW: Final = tuple_(objects.c.rank, objects.c.version) < tuple_(
    bindparam("rank", type_=objects.c.rank.type), bindparam("version", type_=objects.c.version.type)
)
_Number = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class _Position(msgspec.Struct, array_like=True, tag="versions"):
    """The next page starts below this row."""

    rank: _Number
    version: _Number


async def page_of_versions(connection: AsyncConnection, asked: ListVersions) -> VersionPage:
    """The page. Raises NotFound where there is no such bucket or nothing of that name, and
    InvalidParameter for a cursor that is none.
    """
    statement, below = _VERSIONS, {}
    if asked.cursor is not None:
        statement = statement.where(_BELOW)
        below = msgspec.structs.asdict(position_of(asked.cursor, _Position))
    await require_bucket(connection, asked.bucket)
    rows: list[AnyRow] = []
    if is_storable(asked.name):
        wanted = {"bucket": asked.bucket, "name": asked.name, "limit": asked.limit + 1}
        rows = list(await connection.execute(statement, {**wanted, **below}))
    if not rows and asked.cursor is None:
        raise NotFound(f"there is nothing named {asked.name!r} in the bucket {asked.bucket!r}")
    page, more = rows[: asked.limit], rows[asked.limit :]
    following = cursor_of(_Position(page[-1].rank, page[-1].version)) if more else None
    return VersionPage(versions=[_version_of(row) for row in page], next_cursor=following)


def _version_of(row: AnyRow) -> Version:
    return Version(
        object_id=row.object_id,
        version=row.version,
        current=bool(row.is_current),
        deleted=bool(row.is_marker),
        created_at=row.created_at,
        object=None if row.is_marker else object_of(row),
    )
