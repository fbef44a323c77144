"""The getter's addresses: one object, its headers, and lists."""

import base64
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from sangraha.errors import InternalFault
from sangraha.http.app import PAGE, Endpoint
from sangraha.http.conditional import known_digests
from sangraha.http.disposition import content_disposition
from sangraha.http.exchange import tracing_of
from sangraha.http.json import json_response
from sangraha.http.problems import problem_response
from sangraha.logs import bound
from sangraha.messages import Found, GetObject, Listed, ListObjects, ReadFailed, ReadRequest
from sangraha.objects import ObjectType, StoredObject
from sangraha_getter.getter import Getter

MAX_PAGE_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000

PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counts from 1")]
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Objects a page")]


def getter_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of the getter's routes."""

    async def get_object(request: Request, object_id: UUID) -> Response:
        return await _object_answer(getter, request, object_id)

    async def list_objects(
        request: Request,
        type: Annotated[ObjectType | None, Query(description="Only of this type")] = None,  # noqa: A002 - the public name
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> Response:
        tracing = tracing_of(request.headers)
        asked = ListObjects(
            read_id=getter.new_read_id(),
            type=type,
            page=page,
            page_size=page_size,
            correlation_id=tracing.correlation_id,
            traceparent=tracing.traceparent,
        )
        match await _ask(getter, request, asked):
            case Listed(page=listed):
                return json_response(listed)
            case ReadFailed(problem=problem):
                return problem_response(problem)
        raise InternalFault("a list was answered with something else")

    return {
        "get_object": Endpoint(get_object, _OBJECT_ANSWERS, {200: _BYTES}, _CONDITIONAL),
        "head_object": Endpoint(get_object, _OBJECT_ANSWERS, {}, _CONDITIONAL),
        "list_objects": Endpoint(list_objects, _LIST_ANSWERS, {200: PAGE}),
        "head_objects": Endpoint(list_objects, _LIST_ANSWERS),
    }


async def _ask(getter: Getter, request: Request, asked: ReadRequest) -> Any:
    request.state.request_id = asked.read_id
    with bound(request_id=asked.read_id):
        return await getter.ask(asked)


async def _object_answer(getter: Getter, request: Request, object_id: UUID) -> Response:
    tracing = tracing_of(request.headers)
    known = known_digests(request.headers.getlist("if-none-match"))
    asked = GetObject(
        read_id=getter.new_read_id(),
        object_id=object_id,
        want_body=request.method != "HEAD",
        known_sha256=known,
        correlation_id=tracing.correlation_id,
        traceparent=tracing.traceparent,
    )
    match await _ask(getter, request, asked):
        case ReadFailed(problem=problem):
            return problem_response(problem)
        case Found(object=stored, known=True):
            return Response(status_code=304, headers=_validators(stored))
        case Found(object=stored, body=body):
            return Response(body or b"", headers={**_validators(stored), **_content(stored)})
    raise InternalFault("an object was answered with something else")


def _validators(stored: StoredObject) -> dict[str, str]:
    """What a 304 repeats (RFC 9110, section 15.4.5). An id's content never changes."""
    return {
        "ETag": stored.etag,
        "Last-Modified": format_datetime(stored.created_at, usegmt=True),
        "Cache-Control": "private, max-age=3600, immutable",
    }


def _content(stored: StoredObject) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
    return {
        "Content-Type": stored.content_type,
        "Content-Length": str(stored.size),
        "Content-Disposition": content_disposition(stored.file_name),
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Content-Type-Options": "nosniff",
        # What was uploaded must not run with this address's rights in a browser.
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }


_AWAY: Final = "No answer in time, or a part is away; see Retry-After"

_OBJECT_ANSWERS: Final = {
    200: "The object's exact bytes, with its verified type",
    304: "The client has them already",
    404: "No such object",
    422: "Not an id",
    500: "The stored body is missing, or something else failed inside Sangraha",
    503: _AWAY,
}

_LIST_ANSWERS: Final = {
    200: "A page of objects",
    422: "A parameter is not valid",
    500: "Something failed inside Sangraha",
    503: _AWAY,
}

_BYTES: Final = {"*/*": {"schema": {"type": "string", "format": "binary"}}}

_CONDITIONAL: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "description": "Entity tags the client has (RFC 9110, section 13.1.2)",
            "schema": {"type": "string"},
        }
    ]
}
