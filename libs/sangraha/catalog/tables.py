"""The catalog's tables as this program knows them; migrations/ says how a database gets there.

Rows of requests and of objects become tombstones; they never vanish.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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
    false,
    text,
    true,
)

from sangraha.catalog.columns import BYTEWISE, MOMENT, ROW_NUMBER

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

catalog_identity: Final = Table(
    "catalog_identity",
    metadata,
    Column("epoch", Uuid, primary_key=True),
)

buckets: Final = Table(
    "buckets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", MOMENT, nullable=False),
    Column("state", Text, nullable=False, server_default="live"),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("allowed_types", JSON, nullable=False, server_default="[]"),
    Column("max_object_bytes", BigInteger),
    Column("versions_to_keep", Integer),
    Column("default_metadata", JSON, nullable=False, server_default="{}"),
    Column("name_cache_seconds", Integer, nullable=False, server_default="0"),
    Column("id_cache_seconds", Integer, nullable=False, server_default="3600"),
)
"""`state` is live, purging (nothing may be written) or deleted (may be made again)."""

IS_RELEASED: Final = text("released_at IS NOT NULL AND condemned_at IS NULL")

# Live until it is condemned; whoever commits or condemns holds its row's lock.
bodies: Final = Table(
    "bodies",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("key", BYTEWISE, nullable=False, unique=True),
    Column("state", Text, CheckConstraint("state IN ('live')", name="state"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("released_at", MOMENT),
    Column("condemned_at", MOMENT),
    Column("removed_at", MOMENT),
    Index(
        "bodies_released",
        "released_at",
        postgresql_where=IS_RELEASED,
        sqlite_where=IS_RELEASED,
    ),
)
"""`released_at` is when the last object in it was deleted, `condemned_at` when the sweep decided to
remove it (nothing may be committed in it from then on), `removed_at` when the store had.
"""

IS_LIVE: Final = text("state = 'live'")
IS_NAMED: Final = text("name IS NOT NULL")
IS_CURRENT: Final = text("is_current AND state = 'live'")
IS_LISTED: Final = text("is_current AND state = 'live' AND name IS NOT NULL")
IS_TOP: Final = text("is_current AND name IS NOT NULL")
IS_STANDING: Final = text("(state = 'live' OR is_marker) AND name IS NOT NULL")

# bucket is no foreign key: every commit would take and mark a lock on the one row of `default`.
# JSON, not JSONB: JSONB refuses U+0000 and forgets the order of keys.
objects: Final = Table(
    "objects",
    metadata,
    Column("object_id", Uuid, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("name", BYTEWISE),
    Column("file_name", Text),
    Column("version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("declared_content_type", Text),
    Column("content_encoding", Text),
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
    Column("is_current", Boolean, nullable=False, server_default=true()),
    Column("is_marker", Boolean, nullable=False, server_default=false()),
    Column("rank", Integer, nullable=False, server_default="1"),
    Column("replaced", Boolean, nullable=False, server_default=false()),
    Column("placed_at", MOMENT),
    Column("risen_at", MOMENT),
    Index(
        "objects_newest",
        "bucket",
        "object_id",
        postgresql_where=IS_CURRENT,
        sqlite_where=IS_CURRENT,
    ),
    Index(
        "objects_newest_of_type",
        "bucket",
        "type",
        "object_id",
        postgresql_where=IS_CURRENT,
        sqlite_where=IS_CURRENT,
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
    Index(
        "objects_current",
        "bucket",
        "name",
        unique=True,
        postgresql_where=IS_TOP,
        sqlite_where=IS_TOP,
    ),
    Index(
        "objects_standing",
        "bucket",
        "name",
        "rank",
        "version",
        postgresql_where=IS_STANDING,
        sqlite_where=IS_STANDING,
    ),
    Index("objects_listed", "bucket", "name", postgresql_where=IS_LISTED, sqlite_where=IS_LISTED),
    Index("objects_in_body", "body_id", postgresql_where=IS_LIVE, sqlite_where=IS_LIVE),
)
"""`is_current` is true for every object without a name, and for one row of each name: the one on
top, by `rank` and then `version`. `is_marker` says that the name was deleted by this row; its
state is deleted, and its id that of the request. A row that has no body and is no marker was one,
or only keeps the number of a version that is elsewhere now. `placed_at` is when the request was
made that moved the row to its name, if one did, `risen_at` when it was last put on top of it.
"""

purges: Final = Table(
    "purges",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("bucket", Text, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("begun_at", MOMENT, nullable=False),
)
"""Buckets that are being emptied; a row goes when its request's outcome is there."""

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
    Column("result", JSON(none_as_null=True)),
    Column("completed_at", MOMENT, nullable=False),
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("member", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", Text, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("reserved_at", MOMENT, nullable=False),
    Index("idempotency_keys_oldest", "reserved_at"),
)
"""Which request a client's Idempotency-Key stands for; `member` counts the requests of one that
brings many. The fingerprint tells another payload from the same.
"""

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
    Column("error", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("redriven_at", MOMENT),
    Index("dead_letters_newest", "recorded_at", "letter_id"),
)
"""`error` and `reason` are the fault's error and message, for filters. `redriven_at` is when the
message was last put on its queue again; the row goes once all its requests are settled.
"""

dead_letter_bodies: Final = Table(
    "dead_letter_bodies",
    metadata,
    Column("key", Text, primary_key=True),
    Column("letter_id", Uuid, primary_key=True),
    Index("dead_letter_bodies_of_letter", "letter_id"),
)
"""The bodies that dead letters name: a redrive may commit them, so they are not swept, also not
while a redriven message is on its way.
"""

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
