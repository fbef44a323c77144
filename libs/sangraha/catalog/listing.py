"""Pages of the default bucket's objects, newest first."""

from typing import Final

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.buckets import DEFAULT_BUCKET
from sangraha.catalog.rows import OBJECT_COLUMNS, object_of
from sangraha.catalog.tables import objects
from sangraha.objects import ObjectPage, ObjectType

# Literally as in the indexes of current objects: only then may the database use them.
_CURRENT: Final[tuple[ColumnElement[bool], ...]] = (
    objects.c.bucket == bindparam("bucket", DEFAULT_BUCKET),
    literal_column("objects.is_current AND objects.state = 'live'"),
)
_OF_TYPE: Final = objects.c.type == bindparam("type")
_COUNT: Final = select(func.count()).select_from(objects).where(*_CURRENT)
_PAGE: Final = (
    select(*OBJECT_COLUMNS)
    .where(*_CURRENT)
    .order_by(objects.c.object_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


async def page_of_objects(
    connection: AsyncConnection, *, of_type: ObjectType | None, page: int, page_size: int
) -> ObjectPage:
    """The page counted from 1; one past the end has no objects.

    Newest first is by id: ids ascend in time. The total is counted each time, from the index
    alone where the database can.
    """
    count, select_page, parameters = _COUNT, _PAGE, {}
    if of_type is not None:
        count, select_page = count.where(_OF_TYPE), select_page.where(_OF_TYPE)
        parameters = {"type": of_type}
    total = (await connection.execute(count, parameters)).scalar_one()
    total_pages = -(-total // page_size)
    found = []
    if page <= total_pages:
        window = {"limit": page_size, "offset": (page - 1) * page_size}
        rows = await connection.execute(select_page, {**parameters, **window})
        found = [object_of(row) for row in rows]
    return ObjectPage(
        total=total,
        total_pages=total_pages,
        current_page=page,
        page_size=page_size,
        objects=found,
    )
