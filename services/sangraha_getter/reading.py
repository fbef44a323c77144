"""One read over HTTP: asked with the caller's ids, answered with what it came to."""

from collections.abc import Callable
from typing import TypedDict, TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from sangraha.errors import InternalFault
from sangraha.http.exchange import tracing_of
from sangraha.http.problems import problem_response
from sangraha.logs import bound
from sangraha.messages import ReadFailed, ReadOutcome, ReadRequest
from sangraha_getter.getter import Getter

Outcome = TypeVar("Outcome", bound=ReadOutcome)


class Ids(TypedDict):
    """What every read request starts with."""

    read_id: UUID
    correlation_id: str | None
    traceparent: str | None


def ids_of(getter: Getter, request: Request) -> Ids:
    """A new id, and the caller's own."""
    tracing = tracing_of(request.headers)
    return Ids(
        read_id=getter.new_read_id(),
        correlation_id=tracing.correlation_id,
        traceparent=tracing.traceparent,
    )


async def answered(
    getter: Getter,
    request: Request,
    asked: ReadRequest,
    kind: type[Outcome],
    answer: Callable[[Outcome], Response],
) -> Response:
    """What `answer` makes of the outcome, or the problem that kept it from being of this kind."""
    request.state.request_id = asked.read_id
    with bound(request_id=asked.read_id):
        outcome = await getter.ask(asked)
    if isinstance(outcome, ReadFailed):
        return problem_response(outcome.problem, exchange_id=request.state.exchange_id)
    if not isinstance(outcome, kind):
        raise InternalFault(f"{type(asked).__name__} was answered with {type(outcome).__name__}")
    return answer(outcome)
