"""Idempotency keys: what one was sent with, so that the same request is known again.

What counts is the write that a request means, not its bytes: a form that is sent again has another
boundary. Pure: keys are kept by the catalog.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from fastapi import Request

from sangraha.catalog.catalog import Reservation
from sangraha.http.idempotency_key import idempotency_key
from sangraha.messages import CreateObject, Inline, WriteRequest

CALLER: Final = "anonymous"
"""Whose keys they are, as long as nobody has to say who they are."""
REPLAYED: Final[Mapping[str, str]] = {"Idempotency-Replayed": "true"}
"""Says that the request had come to its end before, and that nothing was done for this one."""

# What differs from one attempt to the next.
_OF_THE_ATTEMPT: Final = {"request_id", "correlation_id", "traceparent", "came_at", "content"}
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key as it came, and the operation it came with."""

    value: str
    operation: str

    def reservations(
        self, writes: Sequence[WriteRequest], members: Sequence[int], *, is_end: bool
    ) -> list[Reservation]:
        """What is to be reserved for these writes, which are those members of what came with the
        key, and with `is_end` the last ones.
        """
        last = len(writes) - 1
        return [
            Reservation(
                caller=CALLER,
                key=self.value,
                member=member,
                fingerprint=fingerprint(self.operation, write, is_end=is_end and at == last),
                request_id=write.request_id,
            )
            for at, (write, member) in enumerate(zip(writes, members, strict=True))
        ]


def key_of(request: Request) -> IdempotencyKey | None:
    """The key of the request, if it has one. Raises MalformedRequest as `idempotency_key`."""
    value = idempotency_key(request.headers)
    return None if value is None else IdempotencyKey(value, request.scope["route"].name)


def fingerprint(operation: str, write: WriteRequest, *, is_end: bool) -> str:
    """A SHA-256 of all that the write means, its body included. `is_end` says that no other write
    of the same request follows: one more or one less is another request.

    Fields that are what they are where nobody says anything are left out: a release that has more
    of them knows the keys of the one before.
    """
    meant: dict[str, Any] = {
        field.name: value
        for field in msgspec.structs.fields(write)
        if field.name not in _OF_THE_ATTEMPT
        and (value := getattr(write, field.name)) != _default(field)
    }
    if isinstance(write, CreateObject):
        meant["sha256"] = _sha256(write)
    told = [operation, write.__struct_config__.tag, is_end, meant]
    return hashlib.sha256(_ENCODER.encode(told)).hexdigest()


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _sha256(create: CreateObject) -> str:
    if isinstance(create.content, Inline):
        return hashlib.sha256(create.content.body).hexdigest()
    return create.content.sha256
