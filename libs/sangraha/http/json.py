"""JSON answers encoded by msgspec: the same structs in answers, lists and queues."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder()


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` (structs, dicts, lists) as application/json (RFC 8259)."""
    return Response(_ENCODER.encode(content), status, headers, "application/json")
