"""Request and object ids: UUIDv7 whose last 32 bits are a keyed check.

Any replica that knows the secret can tell an id Sangraha gave out from an invented one, and
when it was made, without asking anybody.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

CHECK_BYTES = 4
MIN_SECRET_BYTES = 16


class IdMint:
    """Makes ids (RFC 9562, section 5.7) and recognises its own.

    `secret` is shared by all replicas of a deployment and is at least MIN_SECRET_BYTES long.
    The layout is 48 bits of Unix time in milliseconds, 42 counting and random bits, the version
    and variant, and 32 bits of keyed BLAKE2s over all the bits before them.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"the id secret must have at least {MIN_SECRET_BYTES} bytes")
        self._keyed = hashlib.blake2s(key=hashlib.sha256(secret).digest(), digest_size=CHECK_BYTES)

    def new(self) -> UUID:
        """A fresh id; ids of one process ascend."""
        head = uuid_utils.uuid7().bytes[:-CHECK_BYTES]
        return UUID(bytes=head + self._check(head))

    def is_genuine(self, request_id: UUID) -> bool:
        """Whether this id came from a mint with the same secret."""
        head, check = request_id.bytes[:-CHECK_BYTES], request_id.bytes[-CHECK_BYTES:]
        return request_id.version == 7 and hmac.compare_digest(self._check(head), check)

    def _check(self, head: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(head)
        return keyed.digest()


def made_at(request_id: UUID) -> datetime:
    """When the id was made, to the millisecond, in UTC."""
    return datetime.fromtimestamp((request_id.int >> 80) / 1000, UTC)
