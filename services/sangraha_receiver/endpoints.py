"""The receiver's addresses: bodies in, requests out."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from sangraha.http.app import OBJECT, Endpoint
from sangraha.http.bodies import ENVELOPE_BYTES, bounded_chunks, too_large
from sangraha.http.exchange import tracing_of
from sangraha.http.json import json_response
from sangraha.http.metadata import checked_metadata, header_metadata
from sangraha.http.prefer import Preferences, parse_prefer
from sangraha.http.problems import problem_response
from sangraha.logs import bound
from sangraha.messages import CreateObject, Dead, Done, Rejected, WriteOutcome
from sangraha.objects import ObjectType
from sangraha_receiver.envelope import parse_envelope
from sangraha_receiver.forms import parse_form
from sangraha_receiver.receiver import Receiver


def receiver_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the receiver's routes."""
    max_body_bytes = receiver.settings.max_body_bytes

    async def create_json(request: Request) -> Response:
        document = bytearray()
        async for chunk in bounded_chunks(request, max_body_bytes + ENVELOPE_BYTES):
            document += chunk
        envelope = parse_envelope(bytes(document))
        body = bytes(envelope.data)
        if len(body) > max_body_bytes:
            raise too_large(max_body_bytes)
        return await _create(
            receiver,
            request,
            allowed="json",
            body=body,
            file_name=envelope.file_name,
            declared_content_type=None,
            metadata=envelope.metadata,
        )

    def create_file(allowed: ObjectType) -> Any:
        async def create(request: Request) -> Response:
            chunks = bounded_chunks(request, max_body_bytes + ENVELOPE_BYTES)
            form = await parse_form(request.headers.get("content-type", ""), chunks, max_body_bytes)
            return await _create(
                receiver,
                request,
                allowed=allowed,
                body=form.body,
                file_name=form.file_name,
                declared_content_type=form.content_type,
                metadata=form.fields,
            )

        return create

    async def get_request(request: Request, request_id: UUID) -> Response:
        preferences = parse_prefer(request.headers.getlist("prefer"))
        outcome = await receiver.outcome(request_id, preferences.wait(otherwise=0))
        return json_response(_status_document(request_id, outcome), headers=preferences.applied())

    return {
        "create_json": Endpoint(
            create_json, _CREATE_ANSWERS, {201: OBJECT, 202: _STATUS}, _JSON_BODY
        ),
        "create_image": Endpoint(
            create_file("image"), _CREATE_ANSWERS, {201: OBJECT, 202: _STATUS}, _FILE_BODY
        ),
        "create_pdf": Endpoint(
            create_file("pdf"), _CREATE_ANSWERS, {201: OBJECT, 202: _STATUS}, _FILE_BODY
        ),
        "get_request": Endpoint(
            get_request,
            {
                200: "The request's state: accepted, done, rejected or dead",
                404: "No such request",
                422: "Not an id",
                503: "The catalog is away",
            },
            {200: _STATUS},
            {"parameters": [_PREFER]},
        ),
    }


async def _create(
    receiver: Receiver,
    request: Request,
    *,
    allowed: ObjectType,
    body: bytes,
    file_name: str | None,
    declared_content_type: str | None,
    metadata: dict[str, str],
) -> Response:
    preferences = parse_prefer(request.headers.getlist("prefer"))
    tracing = tracing_of(request.headers)
    given = {**header_metadata(request.headers.items()), **metadata}
    create = CreateObject(
        request_id=receiver.mint.new(),
        allowed=[allowed],
        file_name=file_name,
        declared_content_type=declared_content_type,
        metadata=checked_metadata(given),
        correlation_id=tracing.correlation_id,
        traceparent=tracing.traceparent,
        body=body,
    )
    request.state.request_id = create.request_id
    with bound(request_id=create.request_id):
        outcome = await receiver.submit(
            create, preferences.wait(otherwise=receiver.settings.wait_seconds)
        )
    return _write_answer(create.request_id, outcome, preferences)


def _write_answer(
    request_id: UUID, outcome: WriteOutcome | None, preferences: Preferences
) -> Response:
    applied = preferences.applied()
    status_url = f"/requests/{request_id}"
    match outcome:
        case None:
            headers = {**applied, "Location": status_url, "Retry-After": "1"}
            return json_response(_status_document(request_id, None), 202, headers)
        case Done(object=stored):
            headers = {**applied, "Location": f"/objects/{stored.object_id}", "ETag": stored.etag}
            return json_response(stored, 201, headers)
        case Rejected(problem=problem) | Dead(problem=problem):
            told = problem.with_members(request_id=str(request_id), status_url=status_url)
            return problem_response(told, applied)


def _status_document(request_id: UUID, outcome: WriteOutcome | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "request_id": request_id,
        "status": "accepted",
        "status_url": f"/requests/{request_id}",
    }
    match outcome:
        case Done(object=stored):
            document |= {"status": "done", "object": stored}
        case Rejected(problem=problem):
            document |= {"status": "rejected", "problem": problem.document()}
        case Dead(problem=problem):
            document |= {"status": "dead", "problem": problem.document()}
    return document


_CREATE_ANSWERS = {
    201: "The object was stored; Location is its address",
    202: "The request was accepted; Location tells its outcome",
    400: "The request cannot be understood",
    413: "The body is too large",
    415: "The bytes are of another type",
    422: "The bytes are damaged or empty, or a parameter is not valid",
    500: "The request could not be completed and was set aside",
    503: "Not accepted, or not known to be; see Retry-After",
}

_STATUS = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "request_id": {"type": "string", "format": "uuid"},
                "status": {"enum": ["accepted", "done", "rejected", "dead"]},
                "status_url": {"type": "string"},
                "object": {"$ref": "#/components/schemas/StoredObject"},
                "problem": {"$ref": "#/components/schemas/Problem"},
            },
            "required": ["request_id", "status", "status_url"],
        }
    }
}

_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "RFC 7240: `respond-async`, `wait=N` (seconds, at most 60)",
    "schema": {"type": "string"},
    "example": "respond-async",
}

_JSON_BODY: dict[str, Any] = {
    "parameters": [_PREFER],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "data": {"description": "Any JSON value; its exact bytes are kept"},
                        "file_name": {"type": "string"},
                        "metadata": {
                            "type": "object",
                            "additionalProperties": {"type": "string"},
                        },
                    },
                    "required": ["data"],
                    "additionalProperties": False,
                },
                "example": {"data": {"name": "ધ્રુવ", "readings": [1, 2.5]}},
            }
        },
    },
}

_FILE_BODY: dict[str, Any] = {
    "parameters": [_PREFER],
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
