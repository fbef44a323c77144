"""Objects by their names: the current version, or one of a number."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from sangraha.http.app import Endpoint
from sangraha.http.conditional import known_digests
from sangraha.http.names import bucket_of, name_of
from sangraha.http.openapi import BYTES
from sangraha.messages import Found, GetNamed
from sangraha_getter.answers import (
    BYTES_ANSWERS,
    BYTES_HEAD_ANSWERS,
    CONDITIONAL_BYTES,
    CONDITIONAL_HEAD,
    RANGES,
)
from sangraha_getter.content import Address, content_answer
from sangraha_getter.getter import Getter
from sangraha_getter.objects import Download
from sangraha_getter.reading import answered, ids_of

VersionNumber = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="That version instead of the current one"),
]


def name_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of a name's own address."""

    async def get_named(
        request: Request, version: VersionNumber = None, download: Download = None
    ) -> Response:
        asked = GetNamed(
            **ids_of(getter, request),
            bucket=bucket_of(request),
            name=name_of(request),
            version=version,
            want_body=request.method != "HEAD",
            known_sha256=known_digests(request.headers),
        )

        def answer(found: Found) -> Response:
            age = found.max_age_seconds
            address = Address(
                f"private, max-age={age}" if age else "private, no-cache",
                is_version=version is not None,
                # Which object this is: its address gives the same bytes for ever.
                headers={"Content-Location": f"/objects/{found.object.object_id}"},
                download=download,
            )
            return content_answer(request, getter.store, found, address)

        return await answered(getter, request, asked, Found, answer)

    return {
        "get_named": Endpoint(
            get_named, BYTES_ANSWERS, {200: BYTES, 206: RANGES}, CONDITIONAL_BYTES
        ),
        "head_named": Endpoint(get_named, BYTES_HEAD_ANSWERS, {}, CONDITIONAL_HEAD),
    }
