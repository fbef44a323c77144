"""Names, versions, buckets with settings, and what the sweep needs to know.

Columns are only added: SQLite would have to copy whole tables for anything else.
"""

import uuid

import sqlalchemy as sa
from alembic import op

from sangraha.catalog.columns import MOMENT

revision = "0002"
down_revision = "0001"

IS_LIVE = sa.text("state = 'live'")
IS_CURRENT = sa.text("is_current AND state = 'live'")
IS_LISTED = sa.text("is_current AND state = 'live' AND name IS NOT NULL")
IS_TOP = sa.text("is_current AND name IS NOT NULL")
IS_STANDING = sa.text("(state = 'live' OR is_marker) AND name IS NOT NULL")
IS_RELEASED = sa.text("released_at IS NOT NULL AND condemned_at IS NULL")


def upgrade() -> None:
    """Add them; the catalog gets an epoch of its own."""
    identity = op.create_table(
        "catalog_identity",
        sa.Column("epoch", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("epoch", name="catalog_identity_pkey"),
    )
    op.execute(sa.insert(identity).values(epoch=uuid.uuid4()))
    _add(
        "buckets",
        sa.Column("state", sa.Text, nullable=False, server_default="live"),
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
        sa.Column("allowed_types", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("max_object_bytes", sa.BigInteger),
        sa.Column("versions_to_keep", sa.Integer),
        sa.Column("default_metadata", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("name_cache_seconds", sa.Integer, nullable=False, server_default="0"),
        sa.Column("id_cache_seconds", sa.Integer, nullable=False, server_default="3600"),
    )
    _add(
        "bodies",
        sa.Column("released_at", MOMENT),
        sa.Column("condemned_at", MOMENT),
        sa.Column("removed_at", MOMENT),
    )
    _add(
        "objects",
        sa.Column("content_encoding", sa.Text),
        sa.Column("is_current", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("is_marker", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("rank", sa.Integer, nullable=False, server_default="1"),
        sa.Column("replaced", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("placed_at", MOMENT),
        sa.Column("risen_at", MOMENT),
    )
    # Until now the latest version of a name was the current one.
    op.execute(
        "UPDATE objects SET rank = version, is_current = (state = 'live' AND version ="
        " (SELECT max(version) FROM objects AS other WHERE other.bucket = objects.bucket"
        " AND other.name = objects.name AND other.state = 'live')) WHERE name IS NOT NULL"
    )
    _add("outcomes", sa.Column("result", sa.JSON))
    if op.get_context().dialect.name == "postgresql":
        op.execute('ALTER TABLE objects ALTER COLUMN name TYPE text COLLATE "C"')
        op.execute('ALTER TABLE bodies ALTER COLUMN key TYPE text COLLATE "C"')
    op.drop_index("objects_newest", "objects")
    op.drop_index("objects_newest_of_type", "objects")
    _index("objects_newest", "objects", ["bucket", "object_id"], IS_CURRENT)
    _index("objects_newest_of_type", "objects", ["bucket", "type", "object_id"], IS_CURRENT)
    _index("objects_current", "objects", ["bucket", "name"], IS_TOP, unique=True)
    _index("objects_standing", "objects", ["bucket", "name", "rank", "version"], IS_STANDING)
    _index("objects_listed", "objects", ["bucket", "name"], IS_LISTED)
    _index("objects_in_body", "objects", ["body_id"], IS_LIVE)
    _index("bodies_released", "bodies", ["released_at"], IS_RELEASED)
    op.create_table(
        "purges",
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="purges_pkey"),
    )
    op.create_table(
        "dead_letter_bodies",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("letter_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("key", "letter_id", name="dead_letter_bodies_pkey"),
    )
    op.create_index("dead_letter_bodies_of_letter", "dead_letter_bodies", ["letter_id"])


def _add(table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        op.add_column(table, column)


def _index(
    name: str, table: str, columns: list[str], where: sa.TextClause, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)
