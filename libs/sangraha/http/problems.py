"""Errors as RFC 9457 problem details, the framework's own included."""

import logging
from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from sangraha.errors import (
    InternalFault,
    InvalidParameter,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    RangeNotSatisfiable,
    SangrahaError,
    Unavailable,
)

logger = logging.getLogger(__name__)


def problem_response(
    problem: Problem, headers: Mapping[str, str] | None = None, *, exchange_id: str | None = None
) -> Response:
    """The problem as application/problem+json (RFC 9457). 503 carries Retry-After (RFC 9110,
    section 10.2.3), and 416 the size in Content-Range (section 14.4).
    """
    document = problem.document()
    if exchange_id:
        document.setdefault("exchange_id", exchange_id)
    sent = dict(headers or {})
    if problem.status == Unavailable.status:
        sent.setdefault("Retry-After", str(Unavailable.retry_after_seconds))
    if problem.status == RangeNotSatisfiable.status and "size" in problem.members:
        sent["Content-Range"] = f"bytes */{problem.members['size']}"
    return Response(msgspec.json.encode(document), problem.status, sent, "application/problem+json")


def install_problems(app: FastAPI) -> None:
    """Answer every error of this app as a problem."""

    def answer(
        request: Request, error: SangrahaError, headers: Mapping[str, str] | None = None
    ) -> Response:
        return problem_response(
            error.problem(), headers, exchange_id=getattr(request.state, "exchange_id", None)
        )

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, SangrahaError)  # noqa: S101 - how it is registered below
        if isinstance(error, InternalFault) or type(error) is SangrahaError:
            logger.error("internal fault: %s", error.detail, exc_info=error)
        return answer(request, error)

    async def frameworks(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - how it is registered below
        if error.status_code == MethodNotAllowed.status:
            return not_allowed(request)
        if error.status_code == NotFound.status:
            return answer(request, NotFound(f"nothing is served at {request.url.path}"))
        is_theirs = error.status_code < InternalFault.status
        known = MalformedRequest(str(error.detail)) if is_theirs else InternalFault()
        return answer(request, known, error.headers)

    def not_allowed(request: Request) -> Response:
        error = MethodNotAllowed(f"{request.url.path} does not take {request.method}")
        return answer(request, error, {"Allow": ", ".join(_methods_at(request))})

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered below
        if request.method not in _methods_at(request):
            # An address of its own, which the router took for an id.
            return not_allowed(request)
        complaints = [
            {"parameter": str(item["loc"][-1]), "in": str(item["loc"][0]), "reason": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['parameter']}: {item['reason']}" for item in complaints)
        return answer(request, InvalidParameter(detail, parameters=complaints))

    app.add_exception_handler(SangrahaError, ours)
    app.add_exception_handler(HTTPException, frameworks)
    app.add_exception_handler(RequestValidationError, validation)


def _methods_at(request: Request) -> list[str]:
    """All methods this address takes (RFC 9110, section 10.2.1), whichever route takes them.

    `/objects/image` is no object's address although it looks like one.
    """
    matching = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    own = [route for route in matching if not route.param_convertors]
    return sorted({method for route in own or matching for method in route.methods or ()})
