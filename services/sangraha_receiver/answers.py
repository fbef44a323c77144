"""How a write is answered: what was done, what was refused, or where to look for its outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from sangraha.errors import InternalFault
from sangraha.http.exchange import tracing_of
from sangraha.http.idempotency_key import idempotency_key
from sangraha.http.json import json_response
from sangraha.http.names import name_path
from sangraha.http.prefer import Preferences, parse_prefer
from sangraha.http.problems import problem_response
from sangraha.logs import bound
from sangraha.messages import Dead, Done, Rejected, Underway, WriteOutcome, WriteRequest
from sangraha.objects import StoredObject
from sangraha_receiver.idempotency import REPLAYED, key_of
from sangraha_receiver.receiver import Receiver


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a write that was done."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


async def answered(
    receiver: Receiver, request: Request, write: WriteRequest, done: Callable[[Done], Answer]
) -> Response:
    """Send the write, wait as long as the client prefers, and answer; `done` says how, if it was.

    Raises as Submission.reserve and Submission.send do.
    """
    preferences = preferences_of(request)
    wait_seconds = preferences.wait(otherwise=receiver.settings.wait_seconds)
    with receiver.submissions.open(key_of(request)) as submission:
        (write,) = await submission.reserve([write])
        request.state.request_id = write.request_id
        with bound(request_id=write.request_id):
            await submission.send([write])
            outcome = (await submission.outcomes(wait_seconds)).get(write.request_id)
    headers = {**preferences.applied(), **(REPLAYED if submission.is_replay else {})}
    return _answer(write.request_id, outcome, headers, done)


def preferences_of(request: Request) -> Preferences:
    """What the client prefers of its answer."""
    return parse_prefer(request.headers.getlist("prefer"))


def identity(receiver: Receiver, request: Request) -> dict[str, Any]:
    """The fields of a write that say which it is, and whose. Raises MalformedRequest for an
    idempotency key that is none: before the body is read.
    """
    idempotency_key(request.headers)
    tracing = tracing_of(request.headers)
    return {
        "request_id": receiver.mint.new(),
        "correlation_id": tracing.correlation_id,
        "traceparent": tracing.traceparent,
    }


def _answer(
    request_id: UUID,
    outcome: WriteOutcome | None,
    always: Mapping[str, str],
    done: Callable[[Done], Answer],
) -> Response:
    match outcome:
        case None | Underway():
            headers = {**always, "Location": status_url(request_id), "Retry-After": "1"}
            return json_response(status_document(request_id, outcome), 202, headers)
        case Done():
            answer = done(outcome)
            headers = {**always, **answer.headers}
            if answer.content is None:
                return Response(status_code=answer.status, headers=headers)
            return json_response(answer.content, answer.status, headers)
        case Rejected(problem=problem) | Dead(problem=problem):
            told = problem.with_members(
                request_id=str(request_id), status_url=status_url(request_id)
            )
            return problem_response(told, always)


def created(done: Done) -> Answer:
    """201 for a new object, at the address of its name where it has one; 200 where the name had a
    version before, with the address of what is told of it (RFC 9110, section 9.3.4).
    """
    stored = stored_object(done)
    address = f"/objects/{stored.object_id}"
    if done.replaced:
        return Answer(200, stored, {"Content-Location": f"{address}/info", "ETag": stored.etag})
    if stored.name is not None:
        address = name_path(stored.bucket, stored.name)
    return Answer(201, stored, {"Location": address, "ETag": stored.etag})


def deleted(done: Done) -> Answer:
    """204: there is nothing more to say."""
    return Answer(204)


def stored_object(done: Done) -> StoredObject:
    """The object that such a write made or changed. Raises InternalFault where none is told of."""
    if done.object is None:
        raise InternalFault("the outcome of the write has no object")
    return done.object


def status_url(request_id: UUID) -> str:
    """Where the outcome of a request is told."""
    return f"/requests/{request_id}"


def status_document(request_id: UUID, outcome: WriteOutcome | None) -> dict[str, Any]:
    """What is known of a request."""
    document: dict[str, Any] = {
        "request_id": request_id,
        "status": "accepted",
        "status_url": status_url(request_id),
    }
    match outcome:
        case Underway(done=so_far, total=total):
            document["progress"] = {"done": so_far, "total": total}
        case Done(object=stored, bucket=bucket):
            document["status"] = "done"
            if stored is not None:
                document["object"] = stored
            if bucket is not None:
                document["bucket"] = bucket
        case Rejected(problem=problem):
            document |= {"status": "rejected", "problem": problem.document()}
        case Dead(problem=problem) if not outcome.is_redriven:
            document |= {"status": "dead", "problem": problem.document()}
    return document
