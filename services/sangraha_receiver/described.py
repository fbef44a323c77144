"""What OpenAPI says of parameters, bodies and answers that several addresses share."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sangraha.http.schemas import json_of

WRITE_ANSWERS: Final[Mapping[int, str]] = {
    202: "The request was accepted; Location tells its outcome",
    422: "A parameter is not valid, or the Idempotency-Key came with another request",
    503: "Not accepted, or not known to be; see Retry-After",
}
"""What every write may be answered, beyond what it is for."""

BODY_ANSWERS: Final[Mapping[int, str]] = {
    **WRITE_ANSWERS,
    400: "The request cannot be understood, or the body has another digest than was sent",
    404: "There is no such bucket",
    413: "The body is too large",
    415: "The bytes are of another type than is allowed here, or encoded where that is not",
    422: "The bytes are damaged or empty, a name or parameter is not valid, or the Idempotency-Key "
    "came with another request",
}
"""Likewise every write that brings bytes."""

_TAG: Final = '"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"'
_SHA256: Final = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"


def header(name: str, description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    """A request header."""
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string"},
        "example": example,
        **({"required": True} if required else {}),
    }


def json_request(
    model: str, example: Any, content_types: Sequence[str] = ("application/json",)
) -> dict[str, Any]:
    """A request body in JSON that is one of the components."""
    media = {**json_of(model)["application/json"], "example": example}
    return {"required": True, "content": dict.fromkeys(content_types, media)}


PREFER: Final = header(
    "Prefer", "RFC 7240: `respond-async`, `wait=N` (seconds, at most 60)", "respond-async"
)
IDEMPOTENCY_KEY: Final = header(
    "Idempotency-Key",
    "1 to 255 printable ASCII characters of your own, the same each time this request is sent: it "
    "is done once, and answered alike (draft-ietf-httpapi-idempotency-key-header)",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
)
HOW: Final = (PREFER, IDEMPOTENCY_KEY)
"""What every write may say of how it is to be done."""
CONDITIONS: Final = (
    header(
        "If-Match",
        "Only if the current version has one of these entity tags (RFC 9110, section 13.1.1)",
        _TAG,
    ),
    header(
        "If-None-Match",
        "`*`: only if there is no current version (RFC 9110, section 13.1.2)",
        "*",
    ),
)
DIGESTS: Final = (
    header(
        "Repr-Digest",
        "The body must have this digest: `sha-256`, `sha-512` or `md5` (RFC 9530)",
        _SHA256,
    ),
    header("Content-Digest", "Likewise (RFC 9530)", _SHA256),
    header("Content-MD5", "Likewise in base64 (RFC 1864)", "XUFAKrxLKna5cZ2REBfFkg=="),
)
METADATA: Final = header(
    "Sangraha-Meta-KEY",
    "Metadata of your own, one header for each key: percent-encoded UTF-8, 8 KiB in all",
    "inbox%2F2026",
)

_COUNT: Final = {"type": "integer", "minimum": 0}

STATUS: Final = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "request_id": {"type": "string", "format": "uuid"},
                "status": {"enum": ["accepted", "done", "rejected", "dead"]},
                "status_url": {"type": "string"},
                "progress": {
                    "type": "object",
                    "properties": {"done": _COUNT, "total": _COUNT},
                    "required": ["done", "total"],
                },
                "object": {"$ref": "#/components/schemas/StoredObject"},
                "bucket": {"$ref": "#/components/schemas/Bucket"},
                "problem": {"$ref": "#/components/schemas/Problem"},
            },
            "required": ["request_id", "status", "status_url"],
        }
    }
}
"""What became of a request."""

MANY: Final = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "results": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "index": _COUNT,
                            "name": {"type": ["string", "null"]},
                            "object_id": {"type": "string", "format": "uuid"},
                            "status": {"type": "integer"},
                            "object": {"$ref": "#/components/schemas/StoredObject"},
                            "problem": {"$ref": "#/components/schemas/Problem"},
                            "status_url": {"type": "string"},
                        },
                        "required": ["index", "status"],
                    },
                },
                "succeeded": _COUNT,
                "accepted": _COUNT,
                "failed": _COUNT,
            },
            "required": ["results", "succeeded", "accepted", "failed"],
        }
    }
}
"""What became of many requests that came as one."""
