"""Pages of a bucket's names, in the order of their UTF-8 bytes.

A page costs what is on it, wherever it starts and however many names there are: it is read from
an index, and what shares a common prefix is passed over in one step.
"""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.catalog.bucket_listing import require_bucket
from sangraha.catalog.cursor import cursor_of, position_of
from sangraha.catalog.name_filter import is_filtered
from sangraha.catalog.name_walk import NameWalk
from sangraha.catalog.rows import object_of
from sangraha.catalog.text import is_storable, past_prefix
from sangraha.errors import InvalidParameter
from sangraha.messages import ListNames
from sangraha.objects import NamePage, StoredObject


class _Position(msgspec.Struct, array_like=True, tag="names"):
    """The next page starts at the first name that is not before this text."""

    start: str


async def page_of_names(connection: AsyncConnection, asked: ListNames) -> NamePage:
    """The page. A filtered one may have less on it than asked for and yet not be the last.

    Raises NotFound where there is no such bucket, and InvalidParameter for a cursor that is none
    and for what no name and no metadata can have.
    """
    walk = NameWalk(
        asked=asked,
        dialect=connection.dialect.name,
        start=_start(asked),
        end=past_prefix(asked.prefix),
    )
    await require_bucket(connection, asked.bucket)
    unexamined: str | None = None
    if is_filtered(asked):
        unexamined = await connection.scalar(walk.first_unexamined())
        walk = msgspec.structs.replace(walk, end=unexamined or walk.end)
    found: list[StoredObject | str] = []
    if asked.delimiter:
        rows = await connection.execute(walk.in_steps(asked.delimiter))
        found += [row.common_prefix or object_of(row) for row in rows]
    else:
        found += [object_of(row) for row in await connection.execute(walk.in_a_row())]
    page, more = found[: asked.limit], found[asked.limit :]
    following = _after(page[-1]) if more else unexamined
    if following is not None and page and isinstance(page[-1], str):
        # The next page begins behind a prefix that was told, not inside it.
        behind = past_prefix(page[-1])
        following = None if behind is None else max(following, behind)
    return NamePage(
        objects=[item for item in page if isinstance(item, StoredObject)],
        prefixes=[item for item in page if isinstance(item, str)],
        next_cursor=None if following is None else cursor_of(_Position(following)),
    )


def _start(asked: ListNames) -> str:
    if not (is_storable(asked.prefix) and is_storable(asked.delimiter or "")):
        raise InvalidParameter("the prefix or delimiter has a character that no name can have")
    if asked.cursor is None:
        return asked.prefix
    start = position_of(asked.cursor, _Position).start
    if not is_storable(start):
        raise InvalidParameter("the cursor is not one that this listing gave out")
    return max(start, asked.prefix)


def _after(item: StoredObject | str) -> str | None:
    """The first text after the name, or after all names with the common prefix."""
    if isinstance(item, str):
        return past_prefix(item)
    return f"{item.name}\x01"
