"""Requests, objects and the bodies they are in; dead letters and workers."""

import sqlalchemy as sa
from alembic import op

from sangraha.catalog.columns import MOMENT, ROW_NUMBER, DatabaseClock

revision = "0001"
down_revision = None

IS_LIVE = sa.text("state = 'live'")
IS_NAMED = sa.text("name IS NOT NULL")


def upgrade() -> None:
    """Make the first tables, and the default bucket."""
    buckets = op.create_table(
        "buckets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="buckets_pkey"),
    )
    op.execute(sa.insert(buckets).values(name="default", created_at=DatabaseClock()))
    op.create_table(
        "bodies",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="bodies_pkey"),
        sa.UniqueConstraint("key", name="bodies_key_key"),
        sa.CheckConstraint("state IN ('live')", name="bodies_state_check"),
    )
    op.create_table(
        "objects",
        sa.Column("object_id", sa.Uuid, nullable=False),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("bucket", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("file_name", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("declared_content_type", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("body_id", ROW_NUMBER),
        sa.Column("body_offset", sa.BigInteger, nullable=False),
        sa.Column("body_length", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("object_id", name="objects_pkey"),
        sa.ForeignKeyConstraint(["body_id"], ["bodies.id"], name="objects_body_id_fkey"),
        sa.CheckConstraint("state IN ('live', 'deleted')", name="objects_state_check"),
    )
    _index("objects_newest", ["bucket", "object_id"], IS_LIVE)
    _index("objects_newest_of_type", ["bucket", "type", "object_id"], IS_LIVE)
    _index("objects_versions", ["bucket", "name", "version"], IS_NAMED, unique=True)
    op.create_table(
        "outcomes",
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("problem", sa.JSON),
        sa.Column("completed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="outcomes_pkey"),
        sa.CheckConstraint("state IN ('done', 'rejected', 'dead')", name="outcomes_state_check"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("request_ids", sa.JSON, nullable=False),
        sa.Column("fault", sa.JSON, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("body_size", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("letter_id", name="dead_letters_pkey"),
    )
    op.create_index("dead_letters_newest", "dead_letters", ["recorded_at", "letter_id"])
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("in_flight", sa.Integer, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("last_beat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name="workers_pkey"),
    )


def _index(name: str, columns: list[str], where: sa.TextClause, *, unique: bool = False) -> None:
    op.create_index(
        name, "objects", columns, unique=unique, postgresql_where=where, sqlite_where=where
    )
