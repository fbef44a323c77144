"""Lists of names as a table in a statement, whose text is then the same for any number of them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Subquery,
    Text,
    bindparam,
    func,
    select,
    type_coerce,
)

from sangraha.catalog.columns import MOMENT

Asked = Sequence[tuple[str, str, datetime]]


def asked(dialect: str) -> Subquery:
    """The table `asked` with the columns `bucket`, `name` and `at`, filled by `asked_for`."""
    bucket: ColumnElement[Any]
    name: ColumnElement[Any]
    moment: ColumnElement[Any]
    if dialect == "sqlite":
        rows = func.json_each(bindparam("asked", type_=Text)).table_valued("value", name="each")
        bucket, name, moment = (func.json_extract(rows.c.value, f"$[{at}]") for at in range(3))
    else:
        rows = (
            func.unnest(
                bindparam("buckets", type_=ARRAY(Text)),
                bindparam("names", type_=ARRAY(Text)),
                bindparam("moments", type_=ARRAY(MOMENT)),
            )
            .table_valued("bucket", "name", "at", name="each")
            .render_derived()
        )
        bucket, name, moment = rows.c.bucket, rows.c.name, rows.c.at
    rows_asked = select(
        type_coerce(bucket, Text).label("bucket"),
        type_coerce(name, Text).label("name"),
        type_coerce(moment, MOMENT).label("at"),
    )
    if dialect == "postgresql":
        # It then expects few of them at any time, and so keeps one plan, by indexes; to make a plan
        # takes several times as long as to follow it.
        rows_asked = rows_asked.limit(bindparam("count", type_=Integer))
    return rows_asked.subquery("asked")


def asked_for(dialect: str, rows: Asked) -> dict[str, Any]:
    """The parameters that fill the table."""
    if dialect == "sqlite":
        # As SQLAlchemy keeps times in SQLite.
        text = [(bucket, name, _sqlite_moment(at)) for bucket, name, at in rows]
        return {"asked": json.dumps(text)}
    return {
        "buckets": [bucket for bucket, _, _ in rows],
        "names": [name for _, name, _ in rows],
        "moments": [at for _, _, at in rows],
        "count": len(rows),
    }


def _sqlite_moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
