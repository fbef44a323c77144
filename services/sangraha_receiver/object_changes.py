"""What can be done to an object by its id: another description, a copy, another name, its end."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from fastapi import Request
from starlette.responses import Response

from sangraha.buckets import DEFAULT_BUCKET
from sangraha.errors import InternalFault
from sangraha.http.app import OBJECT, Endpoint
from sangraha.http.bodies import ENVELOPE_BYTES
from sangraha.http.conditional import precondition_of, required_revisions_of
from sangraha.http.json import MERGE_PATCH, json_body
from sangraha.http.names import bucket_name, checked_object_name
from sangraha.http.schemas import json_of
from sangraha.messages import CopyObject, DeleteObject, Done, MoveObject, PatchInfo
from sangraha.metadata import checked_metadata
from sangraha.objects import ObjectInfo
from sangraha_receiver.answers import Answer, answered, deleted, identity, stored_object
from sangraha_receiver.described import (
    CONDITIONS,
    HOW,
    STATUS,
    WRITE_ANSWERS,
    header,
    json_request,
)
from sangraha_receiver.receiver import Receiver


class InfoPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON merge patch (RFC 7396) of what may be changed of a description."""

    metadata: dict[str, str | None] = {}


class CopyTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a copy goes, and what is different there."""

    bucket: str = DEFAULT_BUCKET
    name: str | None = None
    overwrite: bool = False
    metadata: dict[str, str] | None = None


class MoveTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an object goes."""

    name: str
    bucket: str = DEFAULT_BUCKET
    overwrite: bool = False


def object_change_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the addresses that change an object by its id."""

    async def patch_info(request: Request, object_id: UUID) -> Response:
        revisions = required_revisions_of(request.headers)
        patch = await json_body(request, InfoPatch, ENVELOPE_BYTES, MERGE_PATCH)
        checked_metadata({key: value or "" for key, value in patch.metadata.items()})
        change = PatchInfo(
            **identity(receiver, request),
            object_id=object_id,
            metadata=patch.metadata,
            revisions=revisions,
        )
        return await answered(receiver, request, change, _described)

    async def copy_object(request: Request, object_id: UUID) -> Response:
        to = await json_body(request, CopyTo, ENVELOPE_BYTES)
        copy = CopyObject(
            **identity(receiver, request),
            object_id=object_id,
            bucket=bucket_name(to.bucket),
            name=None if to.name is None else checked_object_name(to.name),
            overwrite=to.overwrite,
            metadata=None if to.metadata is None else checked_metadata(to.metadata),
        )
        return await answered(receiver, request, copy, _copied)

    async def move_object(request: Request, object_id: UUID) -> Response:
        to = await json_body(request, MoveTo, ENVELOPE_BYTES)
        move = MoveObject(
            **identity(receiver, request),
            object_id=object_id,
            bucket=bucket_name(to.bucket),
            name=checked_object_name(to.name),
            overwrite=to.overwrite,
        )
        return await answered(receiver, request, move, _moved)

    async def delete_object(request: Request, object_id: UUID) -> Response:
        delete = DeleteObject(
            **identity(receiver, request),
            object_id=object_id,
            precondition=precondition_of(request.headers),
        )
        return await answered(receiver, request, delete, deleted)

    info = {200: json_of("ObjectInfo"), 202: STATUS}
    copied, moved = {201: OBJECT, 202: STATUS}, {200: OBJECT, 202: STATUS}
    return {
        "patch_info": Endpoint(patch_info, _PATCH_ANSWERS, info, _PATCH, (InfoPatch,)),
        "copy_object": Endpoint(copy_object, _COPY_ANSWERS, copied, _COPY, (CopyTo,)),
        "move_object": Endpoint(move_object, _MOVE_ANSWERS, moved, _MOVE, (MoveTo,)),
        "delete_object": Endpoint(delete_object, _DELETE_ANSWERS, {202: STATUS}, _DELETE),
    }


def _described(done: Done) -> Answer:
    stored = stored_object(done)
    if done.revision is None:
        raise InternalFault("the outcome of the patch has no revision")
    info = ObjectInfo(**msgspec.structs.asdict(stored), revision=done.revision)
    return Answer(200, info, {"ETag": info.info_etag})


def _copied(done: Done) -> Answer:
    copy = stored_object(done)
    return Answer(201, copy, {"Location": f"/objects/{copy.object_id}", "ETag": copy.etag})


def _moved(done: Done) -> Answer:
    moved = stored_object(done)
    location = f"/objects/{moved.object_id}/info"
    return Answer(200, moved, {"Content-Location": location, "ETag": moved.etag})


_SOURCE_ANSWERS: Final[Mapping[int, str]] = {
    404: "No such object, or no such bucket",
    409: "The name is taken",
    410: "The object was deleted for good",
    413: "The body is too large, for this or for that bucket",
    415: "The bucket does not allow that type, or the body is not JSON",
    **WRITE_ANSWERS,
}
_PATCH_ANSWERS: Final = {
    200: "The description as it is now",
    404: "No such object",
    410: "The object was deleted for good",
    412: "The description has changed",
    413: "The patch is too large",
    415: "The body is no merge patch",
    428: "If-Match is missing",
    **WRITE_ANSWERS,
}
_COPY_ANSWERS: Final = {201: "The copy; Location is its address", **_SOURCE_ANSWERS}
_MOVE_ANSWERS: Final = {200: "The object under its new name", **_SOURCE_ANSWERS}
_DELETE_ANSWERS: Final = {
    204: "That version was deleted for good",
    404: "No such object",
    410: "It was deleted before",
    412: "A precondition does not hold",
    **WRITE_ANSWERS,
}

_PATCH: Final[dict[str, Any]] = {
    "parameters": [
        *HOW,
        header("If-Match", "The entity tag of the description, or `*`", '"r1"', required=True),
    ],
    "requestBody": json_request(
        "InfoPatch", {"metadata": {"project": "tower", "draft": None}}, MERGE_PATCH
    ),
}
_COPY: Final[dict[str, Any]] = {
    "parameters": [*HOW],
    "requestBody": json_request("CopyTo", {"bucket": "default", "name": "copies/july.pdf"}),
}
_MOVE: Final[dict[str, Any]] = {
    "parameters": [*HOW],
    "requestBody": json_request("MoveTo", {"bucket": "default", "name": "archive/july.pdf"}),
}
_DELETE: Final[dict[str, Any]] = {"parameters": [*HOW, *CONDITIONS]}
