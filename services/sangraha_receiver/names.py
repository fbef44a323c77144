"""Objects under a name: a raw body kept there, and the name's end."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from sangraha.errors import InvalidParameter, MalformedRequest
from sangraha.http.app import OBJECT, Endpoint
from sangraha.http.conditional import precondition_of
from sangraha.http.content_encoding import content_encoding
from sangraha.http.digests import expected_digests
from sangraha.http.disposition import disposition_file_name
from sangraha.http.hijack import hijacked
from sangraha.http.metadata import header_metadata
from sangraha.http.names import bucket_of, name_of
from sangraha.http.openapi import BYTES
from sangraha.messages import CreateObject, DeleteName
from sangraha.metadata import checked_metadata
from sangraha.store.keys import object_key
from sangraha_receiver.answers import answered, created, deleted, identity
from sangraha_receiver.described import (
    BODY_ANSWERS,
    CONDITIONS,
    DIGESTS,
    HOW,
    METADATA,
    STATUS,
    WRITE_ANSWERS,
    header,
)
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.request_body import announced_bytes


def name_endpoints(receiver: Receiver) -> Mapping[str, Endpoint]:
    """The handlers of the addresses of names."""

    async def put_object(request: Request) -> Response:
        bucket, name = bucket_of(request), name_of(request)
        headers = request.headers
        if "content-range" in headers:
            # RFC 9110, section 14.4: it must not be taken for the whole.
            raise MalformedRequest("a part of an object cannot be put: leave Content-Range out")
        disposition = headers.get("content-disposition")
        file_name = disposition_file_name(disposition) or name.rpartition("/")[2] or None
        fields = {
            **identity(receiver, request),
            "bucket": bucket,
            "name": name,
            "precondition": precondition_of(headers),
            "file_name": file_name,
            "declared_content_type": headers.get("content-type"),
            "content_encoding": content_encoding(headers),
            "metadata": checked_metadata(header_metadata(headers.items())),
        }
        content = await receiver.uploads.take(
            request.stream(),
            object_key(bucket, fields["request_id"], file_name),
            announced=announced_bytes(request),
            expected=expected_digests(headers),
            hijack=partial(hijacked, request),
        )
        create = CreateObject(**fields, came_at=datetime.now(UTC), content=content)
        return await answered(receiver, request, create, created)

    async def delete_name(request: Request) -> Response:
        bucket, name = bucket_of(request), name_of(request)
        if "version" in request.query_params:
            raise InvalidParameter("one version is deleted by its id, at /objects/{object_id}")
        delete = DeleteName(
            **identity(receiver, request),
            bucket=bucket,
            name=name,
            precondition=precondition_of(request.headers),
        )
        return await answered(receiver, request, delete, deleted)

    return {
        "put_object": Endpoint(put_object, _PUT_ANSWERS, _PUT_CONTENT, _PUT),
        "delete_name": Endpoint(delete_name, _DELETE_ANSWERS, {202: STATUS}, _DELETE),
    }


_PUT_ANSWERS: Final = {
    200: "The name had a version before; Content-Location is the description of the new one",
    201: "The object was stored; Location is its address",
    412: "A precondition does not hold",
    **BODY_ANSWERS,
}
_PUT_CONTENT: Final = {200: OBJECT, 201: OBJECT, 202: STATUS}
_PUT: Final[dict[str, Any]] = {
    "parameters": [
        *HOW,
        *CONDITIONS,
        *DIGESTS,
        METADATA,
        header(
            "Content-Disposition",
            "Its file name, if that is not the end of the name (RFC 6266)",
            'attachment; filename="july.pdf"',
        ),
        header("Content-Encoding", "Kept with the bytes, where any type is allowed", "gzip"),
    ],
    "requestBody": {
        "required": True,
        "description": "The bytes as they are, with a length or in chunks",
        "content": BYTES,
    },
}

_DELETE_ANSWERS: Final = {
    204: "There is nothing at that name any more; its versions are kept",
    404: "There is nothing at that name",
    412: "A precondition does not hold",
    **WRITE_ANSWERS,
}
_DELETE: Final[dict[str, Any]] = {"parameters": [*HOW, *CONDITIONS]}
