"""Web pages of other origins (Fetch standard, section 3.3): who may ask, and what they may see."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from sangraha.errors import MalformedRequest
from sangraha.http.problems import problem_response
from sangraha.http.routes import ROUTES

EXPOSED_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Last-Modified",
    "Location",
    "Preference-Applied",
    "Repr-Digest",
    "Retry-After",
    "X-Correlation-ID",
    "X-Request-ID",
)
"""Headers of answers that a page may read, beyond those that every page may."""

PREFLIGHT_SECONDS: Final = 600


class CorsMiddleware(CORSMiddleware):
    """Without credentials: nothing here depends on who a browser's user is.

    Any header may be sent: metadata has names of the user's own.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=sorted({route.method for route in ROUTES}),
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """As ever, but a refusal is a problem like any other."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < MalformedRequest.status:
            return answer
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-length", "content-type")
        }
        return problem_response(MalformedRequest(bytes(answer.body).decode()).problem(), headers)
