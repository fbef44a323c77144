"""The models of answers as OpenAPI components, made from the structs themselves, with examples."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from sangraha.buckets import DEFAULT_BUCKET, Bucket, BucketPage
from sangraha.errors import NotFound, Problem
from sangraha.objects import (
    NamePage,
    ObjectInfo,
    ObjectPage,
    StoredObject,
    Version,
    VersionPage,
)

REFERENCE: Final = "#/components/schemas/{name}"

Content = dict[str, Any]
"""OpenAPI's media types of a body, each with its schema."""


def json_of(model: str) -> Content:
    """A JSON body of a component's schema."""
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=model)}}}


def component_schemas(models: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    """The schemas of these models, and of those that every service may answer."""
    _, schemas = msgspec.json.schema_components([*_MODELS, *models], ref_template=REFERENCE)
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            if name.endswith("_at") and field.get("type") == "string":
                # Ours always have a time zone, which msgspec cannot know.
                field["format"] = "date-time"
    for name, example in _EXAMPLES.items():
        schemas[name]["examples"] = [msgspec.to_builtins(example)]
    return {**schemas, "Problem": _PROBLEM, "Health": _HEALTH}


_MODELS: Final = (ObjectInfo, ObjectPage, StoredObject, NamePage, VersionPage, Bucket, BucketPage)

_ID: Final = UUID("01968a3c-6d2f-7c41-9d5e-3a1b2c4d5e6f")
_MADE: Final = datetime(2031, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
_OBJECT: Final = StoredObject(
    object_id=_ID,
    request_id=_ID,
    bucket=DEFAULT_BUCKET,
    name="letters/પત્ર.pdf",
    file_name="પત્ર.pdf",
    version=1,
    type="pdf",
    content_type="application/pdf",
    declared_content_type=None,
    size=48213,
    sha256="2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    metadata={"room": "4"},
    created_at=_MADE,
)
_BUCKET: Final = Bucket(
    name="scans",
    allowed_types=["pdf", "image", "text/*"],
    max_object_bytes=100_000_000,
    versions_to_keep=10,
    created_at=_MADE,
    revision=1,
)
_VERSION: Final = Version(
    object_id=_ID, version=1, current=True, deleted=False, created_at=_MADE, object=_OBJECT
)
_EXAMPLES: Final[dict[str, msgspec.Struct]] = {
    "StoredObject": _OBJECT,
    "ObjectInfo": ObjectInfo(**msgspec.structs.asdict(_OBJECT), revision=1),
    "ObjectPage": ObjectPage(
        total=1, total_pages=1, current_page=1, page_size=20, objects=[_OBJECT]
    ),
    "NamePage": NamePage(objects=[_OBJECT], prefixes=["letters/2031/"], next_cursor=None),
    "Version": _VERSION,
    "VersionPage": VersionPage(versions=[_VERSION], next_cursor=None),
    "Bucket": _BUCKET,
    "BucketPage": BucketPage(buckets=[_BUCKET], next_cursor=None),
}

_PROBLEM: Final = {
    "title": "Problem",
    "description": f"RFC 9457 problem details. {Problem.__doc__}",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "exchange_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
    "examples": [NotFound("there is no object of this id").problem().document()],
}

_HEALTH: Final = {
    "title": "Health",
    "description": "Whether the process can take requests, and each part's state: `ok`, or what is "
    "wrong with it.",
    "type": "object",
    "properties": {
        "status": {"enum": ["ready", "not ready"]},
        "parts": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["status", "parts"],
    "examples": [{"status": "ready", "parts": {"broker": "ok"}}],
}
