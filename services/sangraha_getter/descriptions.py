"""How a description (of an object or a bucket, not of bytes) is answered: JSON with a revision."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sangraha.http.conditional import evaluate
from sangraha.http.json import json_response


def description_answer(request: Request, description: msgspec.Struct, etag: str) -> Response:
    """The answer to GET or HEAD. Raises PreconditionFailed.

    It has no date: only the entity tag tells one revision from the next.
    """
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if evaluate(request.headers, request.method, etag) == "not-modified":
        return Response(status_code=304, headers=headers)
    return json_response(description, headers=headers)
