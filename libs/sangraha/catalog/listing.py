"""Pages of the default bucket's objects, newest first."""

from typing import Final

from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.rows import OBJECT_COLUMNS, object_of
from sangraha.catalog.tables import objects
from sangraha.objects import DEFAULT_BUCKET, ObjectPage, ObjectType

# Literals, not parameters: only then may the database use the indexes of live rows.
_LIVE: Final = (
    objects.c.bucket == bindparam("bucket", DEFAULT_BUCKET),
    objects.c.state == literal_column("'live'"),
)
_OF_TYPE: Final = objects.c.type == bindparam("type")
_COUNT: Final = select(func.count()).select_from(objects).where(*_LIVE)
_PAGE: Final = (
    select(*OBJECT_COLUMNS)
    .where(*_LIVE)
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
