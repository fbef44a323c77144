"""Objects by their ids: the bytes, and the description."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from sangraha.http.app import Endpoint
from sangraha.http.conditional import known_digests
from sangraha.http.openapi import BYTES
from sangraha.messages import Found, GetObject
from sangraha_getter.answers import (
    BYTES_ANSWERS,
    BYTES_HEAD_ANSWERS,
    CONDITIONAL_BYTES,
    CONDITIONAL_DESCRIPTION,
    CONDITIONAL_HEAD,
    DESCRIPTION_ANSWERS,
    GONE,
    INFO,
    RANGES,
)
from sangraha_getter.content import Address, content_answer
from sangraha_getter.descriptions import description_answer
from sangraha_getter.getter import Getter
from sangraha_getter.reading import answered, ids_of

Download = Annotated[
    str | None,
    Query(
        max_length=1024,
        description="Have a browser save it instead of showing it, under this name or, where it "
        "is empty, under its own",
    ),
]


def object_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of the addresses that start with an object's id."""

    async def get_object(request: Request, object_id: UUID, download: Download = None) -> Response:
        asked = GetObject(
            **ids_of(getter, request),
            object_id=object_id,
            want_body=request.method != "HEAD",
            known_sha256=known_digests(request.headers),
        )

        def answer(found: Found) -> Response:
            age = found.max_age_seconds
            # An id's content never changes.
            kept = f"private, max-age={age}, immutable" if age else "private, no-cache"
            address = Address(kept, is_version=True, download=download)
            return content_answer(request, getter.store, found, address)

        return await answered(getter, request, asked, Found, answer)

    async def get_info(request: Request, object_id: UUID) -> Response:
        asked = GetObject(**ids_of(getter, request), object_id=object_id, want_body=False)

        def answer(found: Found) -> Response:
            return description_answer(request, found.object, found.object.info_etag)

        return await answered(getter, request, asked, Found, answer)

    return {
        "get_object": Endpoint(
            get_object,
            {**BYTES_ANSWERS, **GONE},
            {200: BYTES, 206: RANGES},
            CONDITIONAL_BYTES,
        ),
        "head_object": Endpoint(get_object, {**BYTES_HEAD_ANSWERS, **GONE}, {}, CONDITIONAL_HEAD),
        "get_info": Endpoint(
            get_info,
            {**DESCRIPTION_ANSWERS, **GONE},
            {200: INFO},
            CONDITIONAL_DESCRIPTION,
        ),
        "head_info": Endpoint(
            get_info, {**DESCRIPTION_ANSWERS, **GONE}, {}, CONDITIONAL_DESCRIPTION
        ),
    }
