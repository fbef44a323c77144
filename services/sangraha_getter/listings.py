"""Pages of objects: the newest ones, a bucket's names, a name's versions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request
from pydantic import BeforeValidator
from starlette.datastructures import QueryParams
from starlette.responses import Response

from sangraha.errors import InvalidParameter
from sangraha.http.app import PAGE, Endpoint
from sangraha.http.json import json_response
from sangraha.http.names import MAX_NAME_BYTES, bucket_of, name_of
from sangraha.messages import (
    Listed,
    ListNames,
    ListObjects,
    ListVersions,
    NamesListed,
    VersionsListed,
)
from sangraha.objects import ObjectType
from sangraha_getter.answers import NAME_PAGE, NO_BUCKET, NO_NAME, PAGE_ANSWERS, VERSION_PAGE
from sangraha_getter.getter import Getter
from sangraha_getter.reading import answered, ids_of

MAX_PAGE_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000
MAX_LIMIT: Final = 1000
MAX_CURSOR: Final = 4 * 1024
MAX_METADATA_FILTERS: Final = 10
_METADATA: Final = "metadata."


def _moment(text: str) -> datetime:
    """An RFC 3339 date and time. Raises ValueError for anything else, numbers included."""
    try:
        moment: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
        return moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise ValueError("not a date and time of RFC 3339 (2031-05-06T07:08:09Z)") from None


PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counts from 1")]
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Objects a page")]
OfType = Annotated[ObjectType | None, Query(description="Only of this type")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Entries a page")]
Cursor = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before"),
]
Prefix = Annotated[
    str, Query(max_length=MAX_NAME_BYTES, description="Only names that start with this")
]
Delimiter = Annotated[
    str | None,
    Query(
        max_length=MAX_NAME_BYTES,
        description="Names that have this after the prefix are told once, as what they have in "
        "common up to there; `/` makes folders",
    ),
]
CreatedAfter = Annotated[
    datetime | None,
    BeforeValidator(_moment),
    Query(description="Only objects created after this time (RFC 3339)"),
]


def listing_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of the lists of objects."""

    async def list_objects(
        request: Request,
        type: OfType = None,  # noqa: A002 - the public name
        page: PageNumber = 1,
        page_size: PageSize = 20,
    ) -> Response:
        asked = ListObjects(**ids_of(getter, request), type=type, page=page, page_size=page_size)
        return await answered(getter, request, asked, Listed, _page)

    async def list_names(
        request: Request,
        *,
        prefix: Prefix = "",
        delimiter: Delimiter = None,
        cursor: Cursor = None,
        limit: Limit = 100,
        type: OfType = None,  # noqa: A002 - the public name
        created_after: CreatedAfter = None,
    ) -> Response:
        asked = ListNames(
            **ids_of(getter, request),
            bucket=bucket_of(request),
            prefix=prefix,
            delimiter=delimiter,
            cursor=cursor or None,
            limit=limit,
            type=type,
            created_after=created_after,
            metadata=metadata_filters(request.query_params),
        )
        return await answered(getter, request, asked, NamesListed, _page)

    async def list_versions(
        request: Request, cursor: Cursor = None, limit: Limit = 100
    ) -> Response:
        asked = ListVersions(
            **ids_of(getter, request),
            bucket=bucket_of(request),
            name=name_of(request),
            cursor=cursor or None,
            limit=limit,
        )
        return await answered(getter, request, asked, VersionsListed, _page)

    of_bucket, of_name = {**PAGE_ANSWERS, **NO_BUCKET}, {**PAGE_ANSWERS, **NO_NAME}
    return {
        "list_objects": Endpoint(list_objects, PAGE_ANSWERS, {200: PAGE}),
        "head_objects": Endpoint(list_objects, PAGE_ANSWERS),
        "list_names": Endpoint(list_names, of_bucket, {200: NAME_PAGE}, _FILTERED),
        "head_names": Endpoint(list_names, of_bucket, {}, _FILTERED),
        "list_versions": Endpoint(list_versions, of_name, {200: VERSION_PAGE}),
        "head_versions": Endpoint(list_versions, of_name),
    }


def metadata_filters(query: QueryParams) -> dict[str, str]:
    """The `metadata.KEY=value` parameters. Raises InvalidParameter for an empty key, one that is
    there twice, and too many.
    """
    filters: dict[str, str] = {}
    for name, value in query.multi_items():
        if not name.startswith(_METADATA):
            continue
        key = name.removeprefix(_METADATA)
        if not key or key in filters:
            raise InvalidParameter(f"{name}: each metadata key may be asked for once, by its name")
        filters[key] = value
    if len(filters) > MAX_METADATA_FILTERS:
        raise InvalidParameter(f"at most {MAX_METADATA_FILTERS} metadata keys may be asked for")
    return filters


def _page(outcome: Listed | NamesListed | VersionsListed) -> Response:
    return json_response(outcome.page)


_FILTERED: Final[dict[str, Any]] = {
    "description": "Names in the order of their UTF-8 bytes, each with its current version. "
    "`metadata.KEY=value` parameters leave out objects whose metadata has another value, or none, "
    f"at that key; at most {MAX_METADATA_FILTERS} keys."
}
