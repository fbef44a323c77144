"""Many writes of one HTTP request: each of its own, sent in groups, answered together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.responses import Response

from sangraha.errors import BrokerUnavailable, OutcomeUnknown, Problem, SangrahaError
from sangraha.http.json import json_response
from sangraha.http.prefer import Preferences
from sangraha.messages import Done, Rejected, Underway, WriteOutcome, WriteRequest
from sangraha_receiver.answers import status_url
from sangraha_receiver.group import GatheredGroup
from sangraha_receiver.idempotency import REPLAYED
from sangraha_receiver.submission import NOTHING_SENT, Submission

OK = range(200, 300)
ACCEPTED = 202


@dataclass(slots=True)
class _Item:
    """One write: `label` is what the client knows it by."""

    label: Mapping[str, Any]
    request_id: UUID | None = None
    problem: Problem | None = None


class Batch:
    """Gathers writes, sends them a group at a time, and tells how each of them ended."""

    def __init__(
        self, submission: Submission, told: Callable[[Problem], Problem] = lambda problem: problem
    ) -> None:
        """`told` is how a refusal is put to the client."""
        self._submission = submission
        self._told = told
        self._items: list[_Item] = []
        self._gathered = GatheredGroup()
        self._was_sent = False

    def refuse(self, label: Mapping[str, Any], error: SangrahaError) -> None:
        """Note one that is not even sent."""
        self._items.append(_Item(label, problem=error.problem()))

    async def add(self, label: Mapping[str, Any], write: WriteRequest) -> None:
        """Gather one more; those before it are sent first where they fill a group.

        Raises as Submission.reserve and Submission.send do. This one is gathered, whatever
        happens.
        """
        self._items.append(_Item(label, write.request_id))
        full = [] if self._gathered.has_room_for(write) else self._gathered.take()
        self._gathered.add(write)
        await self._send(full, is_end=False)

    async def send(self) -> None:
        """Send what is gathered, which is the last of it. Raises as `add`."""
        await self._send(self._gathered.take(), is_end=True)

    async def give_up(
        self, error: SangrahaError, discard: Callable[[Sequence[WriteRequest]], Awaitable[None]]
    ) -> None:
        """Drop what was gathered and not sent, because of this error."""
        dropped = self._gathered.take()
        if isinstance(error, OutcomeUnknown):
            # Of those before them, that is: of these it is known.
            error = BrokerUnavailable("it was not sent: the queue did not confirm those before it")
        self._note(dropped, error.problem())
        await discard(dropped)

    async def results(self, wait_seconds: float) -> "Results":
        """How all of them ended so far; waits for them for at most that long."""
        outcomes = await self._submission.outcomes(wait_seconds)
        items = [
            {"index": index, **item.label, **self._result(item, outcomes)}
            for index, item in enumerate(self._items)
        ]
        return Results(items, self._was_sent, self._submission.is_replay)

    async def _send(self, requests: Sequence[WriteRequest], *, is_end: bool) -> None:
        if not requests:
            return
        requests = await self._reserved(requests, is_end=is_end)
        try:
            await self._submission.send(requests)
        except NOTHING_SENT as error:
            self._note(requests, error.problem())
            raise
        except OutcomeUnknown:
            self._was_sent = True
            raise
        self._was_sent = True

    async def _reserved(
        self, requests: Sequence[WriteRequest], *, is_end: bool
    ) -> Sequence[WriteRequest]:
        """The requests as they are sent; from then on they are known by the ids they have there."""
        at = {item.request_id: index for index, item in enumerate(self._items)}
        members = [at[request.request_id] for request in requests]
        try:
            reserved = await self._submission.reserve(requests, members, is_end=is_end)
        except SangrahaError as error:
            self._note(requests, error.problem())
            raise
        for member, request in zip(members, reserved, strict=True):
            self._items[member].request_id = request.request_id
        return reserved

    def _note(self, requests: Sequence[WriteRequest], problem: Problem) -> None:
        ids = {request.request_id for request in requests}
        for item in self._items:
            if item.request_id in ids:
                item.problem = problem

    def _result(self, item: _Item, outcomes: Mapping[UUID, WriteOutcome]) -> dict[str, Any]:
        if item.problem is not None:
            return {"status": item.problem.status, "problem": item.problem.document()}
        if item.request_id is None:
            raise LookupError("a write has neither an id nor a problem")
        at = status_url(item.request_id)
        match outcomes.get(item.request_id):
            case None | Underway():
                return {"status": ACCEPTED, "status_url": at}
            case Done(object=None):
                return {"status": 204}
            case Done(object=stored, replaced=replaced):
                return {"status": 200 if replaced else 201, "object": stored}
            case Rejected(problem=problem):
                problem = self._told(problem)
            case dead:
                problem = dead.problem
        members = {"request_id": str(item.request_id), "status_url": at}
        return {
            "status": problem.status,
            "problem": problem.with_members(**members).document(),
        }


@dataclass(frozen=True, slots=True)
class Results:
    """How many writes ended, each with its index."""

    items: Sequence[Mapping[str, Any]]
    was_sent: bool
    """Whether any of them may have been accepted."""
    is_replay: bool
    """Whether all that were sent had come to their end before, under the same key."""

    def document(self) -> dict[str, Any]:
        """The results, and how many of them succeeded, failed, or are only accepted so far."""
        statuses = [item["status"] for item in self.items]
        accepted = statuses.count(ACCEPTED)
        succeeded = sum(status in OK for status in statuses) - accepted
        return {
            "results": self.items,
            "succeeded": succeeded,
            "accepted": accepted,
            "failed": len(statuses) - succeeded - accepted,
        }

    def answer(self, preferences: Preferences) -> Response:
        """200 if all succeeded, 202 if all are only accepted, else 207 (RFC 4918, section 13)."""
        document = self.document()
        headers = {**preferences.applied(), **(REPLAYED if self.is_replay else {})}
        if document["succeeded"] == len(self.items):
            return json_response(document, 200, headers)
        if document["accepted"] == len(self.items):
            return json_response(document, ACCEPTED, {**headers, "Retry-After": "1"})
        return json_response(document, 207, headers)
