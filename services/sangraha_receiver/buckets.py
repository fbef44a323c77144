"""Buckets: made, changed and deleted."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query, Request
from starlette.responses import Response

from sangraha.buckets import Bucket
from sangraha.errors import InternalFault
from sangraha.http.app import Endpoint
from sangraha.http.bodies import ENVELOPE_BYTES
from sangraha.http.conditional import revisions_of
from sangraha.http.json import MERGE_PATCH, json_body
from sangraha.http.names import bucket_name, bucket_of
from sangraha.http.schemas import json_of
from sangraha.messages import CreateBucket, DeleteBucket, Done, PatchBucket
from sangraha_receiver.answers import Answer, answered, deleted, identity
from sangraha_receiver.bucket_rules import BucketPatch, NewBucket
from sangraha_receiver.described import (
    HOW,
    STATUS,
    WRITE_ANSWERS,
    header,
    json_request,
)
from sangraha_receiver.receiver import Receiver


def bucket_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the addresses that change buckets."""

    async def create_bucket(request: Request) -> Response:
        wanted = await json_body(request, NewBucket, ENVELOPE_BYTES)
        create = CreateBucket(
            **identity(receiver, request),
            bucket=bucket_name(wanted.name),
            settings=wanted.settings(),
        )
        return await answered(receiver, request, create, _made)

    async def patch_bucket(request: Request) -> Response:
        bucket, revisions = bucket_of(request), revisions_of(request.headers)
        patch = await json_body(request, BucketPatch, ENVELOPE_BYTES, MERGE_PATCH)
        change = PatchBucket(
            **identity(receiver, request),
            bucket=bucket,
            changes=patch.changes(),
            revisions=revisions,
        )
        return await answered(receiver, request, change, _changed)

    async def delete_bucket(
        request: Request,
        purge: Annotated[
            bool, Query(description="Delete all that is in it, too, in the background")
        ] = False,
    ) -> Response:
        delete = DeleteBucket(**identity(receiver, request), bucket=bucket_of(request), purge=purge)
        return await answered(receiver, request, delete, deleted)

    made, changed = {201: _DESCRIPTION, 202: STATUS}, {200: _DESCRIPTION, 202: STATUS}
    return {
        "create_bucket": Endpoint(create_bucket, _CREATE_ANSWERS, made, _CREATE, (NewBucket,)),
        "patch_bucket": Endpoint(patch_bucket, _PATCH_ANSWERS, changed, _PATCH, (BucketPatch,)),
        "delete_bucket": Endpoint(delete_bucket, _DELETE_ANSWERS, {202: STATUS}, _DELETE),
    }


def _made(done: Done) -> Answer:
    bucket = _bucket(done)
    return Answer(201, bucket, {"Location": f"/buckets/{bucket.name}", "ETag": bucket.etag})


def _changed(done: Done) -> Answer:
    bucket = _bucket(done)
    return Answer(200, bucket, {"ETag": bucket.etag})


def _bucket(done: Done) -> Bucket:
    if done.bucket is None:
        raise InternalFault("the outcome of the write has no bucket")
    return done.bucket


_CREATE_ANSWERS: Final = {
    201: "The bucket was made; Location is its address",
    409: "There is a bucket of that name",
    413: "The description is too large",
    415: "The body is not JSON",
    **WRITE_ANSWERS,
}
_PATCH_ANSWERS: Final = {
    200: "The bucket as it is now",
    404: "No such bucket",
    412: "The bucket's settings have changed",
    413: "The patch is too large",
    415: "The body is no merge patch",
    **WRITE_ANSWERS,
}
_DELETE_ANSWERS: Final = {
    204: "The bucket is gone",
    404: "No such bucket",
    409: "It holds objects",
    **WRITE_ANSWERS,
    202: "The request was accepted, or is underway; Location tells its progress and outcome",
}

_DESCRIPTION: Final = json_of("Bucket")
_EXAMPLE: Final = {"allowed_types": ["pdf", "text/*"], "versions_to_keep": 10}
_CREATE: Final[dict[str, Any]] = {
    "parameters": [*HOW],
    "requestBody": json_request("NewBucket", {"name": "invoices", **_EXAMPLE}),
}
_PATCH: Final[dict[str, Any]] = {
    "parameters": [
        *HOW,
        header("If-Match", "Only if the bucket's description has this entity tag", '"r1"'),
    ],
    "requestBody": json_request("BucketPatch", _EXAMPLE, MERGE_PATCH),
}
_DELETE: Final[dict[str, Any]] = {"parameters": [*HOW]}
