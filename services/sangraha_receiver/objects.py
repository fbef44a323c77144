"""Objects without a name: a JSON document in an envelope, an image or PDF as a form's file."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from sangraha.buckets import DEFAULT_BUCKET
from sangraha.errors import MalformedRequest
from sangraha.http.app import OBJECT, Endpoint
from sangraha.http.bodies import ENVELOPE_BYTES, bounded_chunks, too_large
from sangraha.http.digests import expected_digests
from sangraha.http.metadata import header_metadata
from sangraha.messages import Claimed, CreateObject, Inline
from sangraha.metadata import checked_metadata
from sangraha.objects import ObjectType
from sangraha.store.keys import object_key
from sangraha_receiver.answers import answered, created, identity
from sangraha_receiver.described import (
    BODY_ANSWERS,
    DIGESTS,
    HOW,
    METADATA,
    STATUS,
    json_request,
)
from sangraha_receiver.envelope import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    envelope_too_large,
    parse_envelope,
)
from sangraha_receiver.forms import FormReader
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.request_body import announced_bytes, digested, refuse_encoding
from sangraha_receiver.turn import Turn

FILE_FIELD: Final = "file"


def object_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the addresses that take one object in without a name."""

    async def create_json(request: Request) -> Response:
        refuse_encoding(request)
        given = header_metadata(request.headers.items())
        fields = identity(receiver, request)
        async with receiver.uploads.turn() as turn:
            envelope = parse_envelope(await _envelope(receiver, request, turn))
            metadata = checked_metadata({**given, **envelope.metadata})
            key = object_key(DEFAULT_BUCKET, fields["request_id"], envelope.file_name)
            content = await receiver.uploads.put(bytes(envelope.data), key, turn)
        create = CreateObject(
            **fields,
            came_at=datetime.now(UTC),
            allowed=["json"],
            file_name=envelope.file_name,
            metadata=metadata,
            content=content,
        )
        return await answered(receiver, request, create, created)

    return {
        "create_json": Endpoint(create_json, _ANSWERS, _CONTENT, _JSON_BODY, (Envelope,)),
        "create_image": Endpoint(_create_file(receiver, "image"), _ANSWERS, _CONTENT, _FILE_BODY),
        "create_pdf": Endpoint(_create_file(receiver, "pdf"), _ANSWERS, _CONTENT, _FILE_BODY),
    }


async def _envelope(receiver: Receiver, request: Request, turn: Turn) -> bytearray:
    """The whole envelope; one whose value must be large takes its turn before it is read on."""
    uploads = receiver.uploads
    limit = min(uploads.max_body_bytes + ENVELOPE_BYTES, MAX_ENVELOPE_BYTES)
    refusal = (
        envelope_too_large() if limit == MAX_ENVELOPE_BYTES else too_large(uploads.max_body_bytes)
    )
    small = uploads.inline_body_bytes + ENVELOPE_BYTES
    expected = expected_digests(request.headers)
    announced = announced_bytes(request) or 0
    if announced > limit:
        raise refusal
    if announced > small:
        await turn.take()
    document = bytearray()
    async for chunk in digested(request.stream(), expected):
        document += chunk
        if len(document) > limit:
            raise refusal
        if len(document) > small:
            await turn.take()
    return document


def _create_file(receiver: Receiver, allowed: ObjectType) -> Callable[..., Awaitable[Response]]:
    uploads = receiver.uploads

    async def create(request: Request) -> Response:
        refuse_encoding(request)
        given = header_metadata(request.headers.items())
        expected = expected_digests(request.headers)
        chunks = digested(
            bounded_chunks(request, uploads.max_body_bytes + ENVELOPE_BYTES), expected
        )
        form = FormReader(request.headers.get("content-type", ""), chunks)
        fields = identity(receiver, request)
        if (announced_bytes(request) or 0) > uploads.inline_body_bytes + ENVELOPE_BYTES:
            await uploads.require_ways()
        content: Inline | Claimed | None = None
        file_name = declared_content_type = None
        try:
            async for part in form.parts():
                if part.name != FILE_FIELD:
                    given[part.name] = await part.text()
                    continue
                if content is not None:
                    raise MalformedRequest(f"the form has more than one part named `{FILE_FIELD}`")
                file_name, declared_content_type = part.file_name() or None, part.content_type
                key = object_key(DEFAULT_BUCKET, fields["request_id"], file_name)
                digests = expected_digests(part.headers)
                content = await uploads.take(part.chunks(), key, expected=digests)
            if content is None:
                raise MalformedRequest(f"the form has no part named `{FILE_FIELD}`")
            metadata = checked_metadata(given)
        except BaseException:
            if content is not None:
                await uploads.discard(content)
            raise
        create = CreateObject(
            **fields,
            came_at=datetime.now(UTC),
            allowed=[allowed],
            file_name=file_name,
            declared_content_type=declared_content_type,
            metadata=metadata,
            content=content,
        )
        return await answered(receiver, request, create, created)

    return create


_ANSWERS: Final = {201: "The object was stored; Location is its address", **BODY_ANSWERS}
_CONTENT: Final = {201: OBJECT, 202: STATUS}

_JSON_BODY: Final[dict[str, Any]] = {
    "parameters": [*HOW, *DIGESTS, METADATA],
    "requestBody": json_request("Envelope", {"data": {"name": "ધ્રુવ", "readings": [1, 2.5]}}),
}

_FILE_BODY: Final[dict[str, Any]] = {
    "parameters": [*HOW, *DIGESTS, METADATA],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                    "additionalProperties": {"type": "string"},
                }
            }
        },
    },
}
