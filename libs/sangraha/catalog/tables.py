"""The catalog's tables as this program knows them; migrations/ says how a database gets there.

Rows of requests and of objects become tombstones; they never vanish.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

from sangraha.catalog.columns import MOMENT, ROW_NUMBER

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

buckets: Final = Table(
    "buckets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", MOMENT, nullable=False),
)

bodies: Final = Table(
    "bodies",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("state", Text, CheckConstraint("state IN ('live')", name="state"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

IS_LIVE: Final = text("state = 'live'")
IS_NAMED: Final = text("name IS NOT NULL")

# bucket is no foreign key: every commit would take and mark a lock on the one row of `default`.
# JSON, not JSONB: JSONB refuses U+0000 and forgets the order of keys.
objects: Final = Table(
    "objects",
    metadata,
    Column("object_id", Uuid, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("name", Text),
    Column("file_name", Text),
    Column("version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("declared_content_type", Text),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("body_id", ROW_NUMBER, ForeignKey(bodies.c.id)),
    Column("body_offset", BigInteger, nullable=False),
    Column("body_length", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column(
        "state", Text, CheckConstraint("state IN ('live', 'deleted')", name="state"), nullable=False
    ),
    Column("created_at", MOMENT, nullable=False),
    Index("objects_newest", "bucket", "object_id", postgresql_where=IS_LIVE, sqlite_where=IS_LIVE),
    Index(
        "objects_newest_of_type",
        "bucket",
        "type",
        "object_id",
        postgresql_where=IS_LIVE,
        sqlite_where=IS_LIVE,
    ),
    Index(
        "objects_versions",
        "bucket",
        "name",
        "version",
        unique=True,
        postgresql_where=IS_NAMED,
        sqlite_where=IS_NAMED,
    ),
)

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("operation", Text, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('done', 'rejected', 'dead')", name="state"),
        nullable=False,
    ),
    Column("problem", JSON(none_as_null=True)),
    Column("completed_at", MOMENT, nullable=False),
)

dead_letters: Final = Table(
    "dead_letters",
    metadata,
    Column("letter_id", Uuid, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("request_ids", JSON, nullable=False),
    Column("fault", JSON, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary),
    Column("body_size", BigInteger, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    Index("dead_letters_newest", "recorded_at", "letter_id"),
)

workers: Final = Table(
    "workers",
    metadata,
    Column("worker_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", MOMENT, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("last_beat_at", MOMENT, nullable=False),
)
