"""What OpenAPI says of the getter's answers beyond the route table."""

from collections.abc import Mapping
from typing import Any, Final

from sangraha.http.openapi import BYTES
from sangraha.http.schemas import json_of

AWAY: Final = "No answer in time, or a part is away; see Retry-After"
FAULT: Final = "Something failed inside Sangraha"

BYTES_ANSWERS: Final = {
    200: "The object's exact bytes, with the type that was found by looking at them",
    206: "The bytes of the ranges that were asked for",
    304: "The client has them already",
    404: "There is no such object",
    412: "A precondition does not hold",
    416: "None of the ranges lies within the object; Content-Range tells its size",
    422: "The id, the name or a parameter is not valid",
    500: "The stored body is missing, or something else failed inside Sangraha",
    503: AWAY,
}
BYTES_HEAD_ANSWERS: Final = {
    status: text for status, text in BYTES_ANSWERS.items() if status not in (206, 416)
}
GONE: Final = {410: "The object was deleted for good"}
DESCRIPTION_ANSWERS: Final = {
    200: "The description, with an entity tag of its own",
    304: "The client has it already",
    404: "There is nothing to describe",
    412: "A precondition does not hold",
    422: "The id or the name is not valid",
    500: FAULT,
    503: AWAY,
}
PAGE_ANSWERS: Final = {
    200: "A page",
    422: "A parameter is not valid",
    500: FAULT,
    503: AWAY,
}
NO_BUCKET: Final = {404: "There is no such bucket"}
NO_NAME: Final = {404: "There is no such bucket, or it never had that name"}

INFO: Final = json_of("ObjectInfo")
NAME_PAGE: Final = json_of("NamePage")
VERSION_PAGE: Final = json_of("VersionPage")
BUCKET: Final = json_of("Bucket")
BUCKET_PAGE: Final = json_of("BucketPage")
RANGES: Final = {
    **BYTES,
    "multipart/byteranges": {
        "schema": {"type": "string", "format": "binary"},
        "example": "--5d1c\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-4/12\r\n\r\nHello"
        "\r\n--5d1c\r\nContent-Type: text/plain\r\nContent-Range: bytes 11-11/12\r\n\r\n!"
        "\r\n--5d1c--\r\n",
    },
}


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": schema,
        "example": example,
    }


_TAG: Final = '"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"'
_DATE: Final = "Sat, 29 Oct 1994 19:43:31 GMT"
_BY_TAG: Final = (
    _header("If-Match", "Entity tags, or * (RFC 9110, section 13.1.1)", _TAG),
    _header("If-None-Match", "Entity tags the client has, or * (section 13.1.2)", _TAG),
)
_BY_DATE: Final = (
    _header("If-Modified-Since", "An HTTP date (section 13.1.3)", _DATE),
    _header("If-Unmodified-Since", "An HTTP date (section 13.1.4)", _DATE),
)
_BY_RANGE: Final = (
    _header("Range", "One or more byte ranges (section 14.2)", "bytes=0-499"),
    _header("If-Range", "Ranges only of what has this entity tag or date (section 13.1.5)", _TAG),
)

CONDITIONAL_DESCRIPTION: Final[Mapping[str, Any]] = {"parameters": [*_BY_TAG]}
CONDITIONAL_HEAD: Final[Mapping[str, Any]] = {"parameters": [*_BY_TAG, *_BY_DATE]}
CONDITIONAL_BYTES: Final[Mapping[str, Any]] = {"parameters": [*_BY_TAG, *_BY_DATE, *_BY_RANGE]}
