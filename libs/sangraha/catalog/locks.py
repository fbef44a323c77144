"""PostgreSQL's advisory locks: who writes to a name waits for who else does, who changes a bucket
for all that write in it. SQLite has one writer at a time anyway.
"""

import hashlib
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sangraha.buckets import DEFAULT_BUCKET

STRIPES: Final = 4096
"""Names share this many locks: the server keeps them in memory of a fixed size, by default enough
for about 7,000, and a group may be about 1,000 names.
"""
_BUCKETS: Final = int.from_bytes(b"sangra") << 16
_NAMES: Final = _BUCKETS + STRIPES
_HOLD: Final = text(
    "SELECT CASE WHEN exclusive THEN pg_advisory_xact_lock(key)"
    " ELSE pg_advisory_xact_lock_shared(key) END"
    " FROM unnest(:keys, :exclusive) AS lock (key, exclusive)"
).bindparams(
    bindparam("keys", type_=ARRAY(BigInteger)), bindparam("exclusive", type_=ARRAY(Boolean))
)


class Locks:
    """Those that a group needs, gathered before any is taken."""

    def __init__(self) -> None:
        self._exclusive: dict[int, bool] = {}

    def __len__(self) -> int:
        return len(self._exclusive)

    def add_bucket(self, bucket: str, *, exclusive: bool) -> None:
        """Whoever changes a bucket waits for those that write in it. The default one cannot be
        deleted, so nobody who writes in it needs to wait.
        """
        if bucket != DEFAULT_BUCKET or exclusive:
            self._add(_BUCKETS + _stripe(bucket), exclusive)

    def add_name(self, bucket: str, name: str) -> None:
        """No two transactions change the versions of one name at a time."""
        self._add(_NAMES + _stripe(f"{bucket}/{name}"), True)

    def add_object(self, object_id: UUID) -> None:
        """Nor an object that has no name."""
        self._add(_NAMES + _stripe(str(object_id)), True)

    def cover(self, others: "Locks") -> bool:
        """Whether whoever has these has the others, too."""
        return all(
            self._exclusive.get(key, False) or (key in self._exclusive and not exclusive)
            for key, exclusive in others._exclusive.items()
        )

    async def take(self, connection: AsyncConnection) -> None:
        """Wait for all of them, always in one order; held until the transaction ends."""
        if not self._exclusive:
            return
        keys = sorted(self._exclusive)
        exclusive = [self._exclusive[key] for key in keys]
        await connection.execute(_HOLD, {"keys": keys, "exclusive": exclusive})

    def _add(self, key: int, exclusive: bool) -> None:
        self._exclusive[key] = exclusive or self._exclusive.get(key, False)


def _stripe(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % STRIPES
