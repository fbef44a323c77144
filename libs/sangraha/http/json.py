"""JSON in and out by msgspec: the same structs in bodies, answers, lists and queues."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from starlette.responses import Response

from sangraha.errors import InvalidParameter, MalformedRequest, TypeNotAllowed
from sangraha.http.bodies import bounded_chunks

JSON: Final = ("application/json",)
MERGE_PATCH: Final = ("application/merge-patch+json", "application/json")
"""What a JSON merge patch may be sent as (RFC 7396)."""

_ENCODER = msgspec.json.Encoder()
_Model = TypeVar("_Model")


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` (structs, dicts, lists) as application/json (RFC 8259)."""
    return Response(_ENCODER.encode(content), status, headers, "application/json")


async def json_body(
    request: Request, model: type[_Model], max_bytes: int, content_types: Sequence[str] = JSON
) -> _Model:
    """The body as this model, strictly. Everything but the body is looked at before it is read.

    Raises TypeNotAllowed where it comes as something else (RFC 5789, section 2.2), BodyTooLarge,
    MalformedRequest for what is no JSON in UTF-8, and InvalidParameter, saying where, for JSON that
    does not fit.
    """
    given = request.headers.get("content-type", content_types[0])
    if given.partition(";")[0].strip(" \t").lower() not in content_types:
        raise TypeNotAllowed(
            f"send it as {' or '.join(content_types)}", detected=given, allowed=list(content_types)
        )
    document = bytearray()
    async for chunk in bounded_chunks(request, max_bytes):
        document += chunk
    return parse_json(document, model)


def parse_json(document: bytes | bytearray, model: type[_Model]) -> _Model:
    """The document as this model. Raises MalformedRequest and InvalidParameter as `json_body`."""
    try:
        return msgspec.json.decode(document, type=model)
    except msgspec.ValidationError as error:
        raise InvalidParameter(f"the JSON does not fit: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
