"""Buckets: their descriptions, and the list of them."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from sangraha.http.app import Endpoint
from sangraha.http.json import json_response
from sangraha.http.names import bucket_of
from sangraha.messages import BucketFound, BucketsListed, GetBucket, ListBuckets
from sangraha_getter.answers import (
    BUCKET,
    BUCKET_PAGE,
    CONDITIONAL_DESCRIPTION,
    DESCRIPTION_ANSWERS,
    PAGE_ANSWERS,
)
from sangraha_getter.descriptions import description_answer
from sangraha_getter.getter import Getter
from sangraha_getter.listings import Cursor, Limit
from sangraha_getter.reading import answered, ids_of


def bucket_endpoints(getter: Getter) -> Mapping[str, Endpoint]:
    """The handlers of the buckets' own addresses."""

    async def get_bucket(request: Request) -> Response:
        asked = GetBucket(**ids_of(getter, request), bucket=bucket_of(request))

        def answer(found: BucketFound) -> Response:
            return description_answer(request, found.bucket, found.bucket.etag)

        return await answered(getter, request, asked, BucketFound, answer)

    async def list_buckets(request: Request, cursor: Cursor = None, limit: Limit = 100) -> Response:
        asked = ListBuckets(**ids_of(getter, request), cursor=cursor or None, limit=limit)

        def answer(listed: BucketsListed) -> Response:
            return json_response(listed.page)

        return await answered(getter, request, asked, BucketsListed, answer)

    return {
        "get_bucket": Endpoint(
            get_bucket, DESCRIPTION_ANSWERS, {200: BUCKET}, CONDITIONAL_DESCRIPTION
        ),
        "head_bucket": Endpoint(get_bucket, DESCRIPTION_ANSWERS, {}, CONDITIONAL_DESCRIPTION),
        "list_buckets": Endpoint(list_buckets, PAGE_ANSWERS, {200: BUCKET_PAGE}),
        "head_buckets": Endpoint(list_buckets, PAGE_ANSWERS),
    }
