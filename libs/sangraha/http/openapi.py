"""The OpenAPI document: what FastAPI finds out by itself, and what is the same everywhere.

That is: parameters of paths, headers of answers, the errors that any address may answer, and that
answers to HEAD have no content. What only one operation knows comes with its endpoint.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sangraha.errors import (
    HeadersTooLarge,
    InternalFault,
    MalformedRequest,
    RequestTimeout,
    SangrahaError,
)
from sangraha.http.names import BUCKET_PATTERN, MAX_NAME_BYTES
from sangraha.http.schemas import REFERENCE, component_schemas

Operation = dict[str, Any]

PROBLEM: Final = {
    "application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}
}
"""The content of every error."""

BYTES: Final[dict[str, Any]] = {"*/*": {"schema": {}}}
"""The content of an object, of whatever type: JSON may be anything, other bytes no schema fits."""


def openapi_document(app: FastAPI, models: Iterable[type[msgspec.Struct]] = ()) -> dict[str, Any]:
    """The document of this app, with the schemas of these models beside those of the library."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for path, operations in document["paths"].items():
        kinds = _kinds(operations)
        for method, operation in operations.items():
            _add_path_parameters(path, operation)
            always = ["X-Request-ID", *_replayed(operation)]
            _complete_responses(operation["responses"], kinds, always, is_head=method == "head")
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework, None)
    schemas.update(component_schemas(models))
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    components["responses"] = {
        error.__name__: {
            "description": error.title,
            "headers": _headers(["X-Request-ID"]),
            "content": PROBLEM,
        }
        for error in _EVERYWHERE
    }
    return document


def _add_path_parameters(path: str, operation: Operation) -> None:
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    said = {one["name"] for one in parameters if one["in"] == "path"}
    parameters.extend(
        {"name": name, "in": "path", "required": True, **_PATH[name]}
        for name in re.findall(r"\{(\w+)\}", path)
        if name not in said
    )
    if not parameters:
        del operation["parameters"]


def _complete_responses(
    responses: dict[str, Any],
    kinds: Mapping[str, frozenset[str]],
    always: Iterable[str],
    *,
    is_head: bool,
) -> None:
    for error in _EVERYWHERE:
        reference = {"$ref": f"#/components/responses/{error.__name__}"}
        responses.setdefault(str(error.status), reference)
    for status, response in responses.items():
        if "$ref" in response:
            continue
        content = response.get("content")
        if int(status) >= 400 and (not content or content.get("application/json") == _VALIDATION):
            response["content"] = PROBLEM
        names = {*always, *_OF_STATUS.get(int(status), ()), *kinds.get(status, ())}
        response["headers"] = {**_headers(sorted(names)), **response.get("headers", {})}
        if is_head or not response.get("content"):
            response.pop("content", None)


def _kinds(operations: Mapping[str, Operation]) -> dict[str, frozenset[str]]:
    """By status, the headers that go with what GET (and so HEAD) or another method answers."""
    kinds: dict[str, frozenset[str]] = {}
    for operation in operations.values():
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            model = schema.get("$ref", "").rpartition("/")[2]
            names = _OF_BYTES if "*/*" in content else _OF_MODEL.get(model, ())
            kinds[status] = kinds.get(status, frozenset()) | frozenset(names)
    return kinds


def _replayed(operation: Operation) -> Iterable[str]:
    """Every answer to what takes an idempotency key may be one that was given before."""
    takes = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
    return ("Idempotency-Replayed",) if takes else ()


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_VALIDATION: Final = {"schema": {"$ref": REFERENCE.format(name="HTTPValidationError")}}
"""How FastAPI says that parameters may be wrong; here that is a problem like any other."""

_EVERYWHERE: Final[tuple[type[SangrahaError], ...]] = (
    MalformedRequest,
    RequestTimeout,
    HeadersTooLarge,
    InternalFault,
)
"""What any address may answer, whatever it does."""

_ID: Final = {"schema": {"type": "string", "format": "uuid"}}
_PATH: Final[Mapping[str, Mapping[str, Any]]] = {
    "bucket": {
        "description": "3 to 63 lower-case letters, digits, dots and hyphens",
        "schema": {"type": "string", "pattern": BUCKET_PATTERN},
        "example": "default",
    },
    "name": {
        "description": "The name as percent-encoded UTF-8; slashes may be encoded or not. "
        f"Refused: more than {MAX_NAME_BYTES} bytes, control characters, segments . and ..",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME_BYTES,
            "pattern": r"^(?!\.\.?(/|$))(?!.*/\.\.?(/|$))[^\u0000-\u001f\u007f-\u009f]+$",
        },
        "example": "letters/પત્ર.pdf",
    },
    "object_id": _ID,
    "request_id": _ID,
    "letter_id": _ID,
    "slug": {"schema": {"type": "string"}, "example": "not-found"},
}

_OF_STATUS: Final[Mapping[int, tuple[str, ...]]] = {
    201: ("ETag", "Location", "Preference-Applied"),
    202: ("Location", "Preference-Applied", "Retry-After"),
    206: ("Content-Range",),
    304: ("Cache-Control", "ETag"),
    416: ("Content-Range",),
    503: ("Retry-After",),
}
_OF_BYTES: Final = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Location",
    "ETag",
    "Last-Modified",
    "Repr-Digest",
)
_OF_MODEL: Final[Mapping[str, tuple[str, ...]]] = {
    "StoredObject": ("Content-Location", "ETag"),
    "ObjectInfo": ("ETag",),
    "Bucket": ("ETag",),
}

_HEADERS: Final[Mapping[str, str]] = {
    "Accept-Ranges": "`bytes`: ranges may be asked for (RFC 9110, section 14.3)",
    "Cache-Control": "How long a client may keep it (RFC 9111, section 5.2)",
    "Content-Disposition": "Whether to show or to save it, and its file name (RFC 6266)",
    "Content-Encoding": "What the client that wrote it said of its bytes (RFC 9110, section 8.4)",
    "Content-Location": "The address of the object itself (RFC 9110, section 8.7)",
    "Content-Range": "Which bytes these are, or the size (RFC 9110, section 14.4)",
    "ETag": "The entity tag: of bytes their SHA-256, of a description its revision "
    "(RFC 9110, section 8.8.3)",
    "Idempotency-Replayed": "`true` where a request with the same Idempotency-Key had come to its "
    "end before, and nothing was done for this one",
    "Last-Modified": "When it was created (RFC 9110, section 8.8.2)",
    "Location": "The address of what was made, or of the request's status (RFC 9110, 10.2.2)",
    "Preference-Applied": "Which preferences were heeded (RFC 7240, section 3)",
    "Repr-Digest": "The SHA-256 of the whole object (RFC 9530)",
    "Retry-After": "Seconds until it is worth asking again (RFC 9110, section 10.2.3)",
    "X-Request-ID": "The id of this exchange, as it stands in the logs",
}
