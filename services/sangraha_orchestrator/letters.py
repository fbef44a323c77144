"""The addresses of dead letters: listed, looked into, redriven and deleted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import Depends, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from sangraha.broker.topology import MIB
from sangraha.catalog.catalog import Catalog, LetterFilter, LetterPosition, LetterState
from sangraha.catalog.cursor import cursor_of, position_of
from sangraha.catalog.letter_filter import Moment
from sangraha.errors import InvalidParameter, NotFound, Unavailable
from sangraha.http.app import Endpoint
from sangraha.http.json import json_body, json_response
from sangraha.http.schemas import json_of
from sangraha_orchestrator.documents import (
    LetterDocument,
    LetterList,
    LettersDeleted,
    LettersToRedrive,
    RedriveBatch,
    RefusedLetter,
    letter_document,
)
from sangraha_orchestrator.redrive import Pace, Redriver

BATCH_SECONDS: Final = 20.0
"""A batch ends after this long, so that nobody waits for an answer until they give up."""
_DELETED_AT_A_TIME: Final = 500


class _Batch(msgspec.Struct, array_like=True, tag="redrive"):
    """Where a batch ended. What was recorded since the first one is not meant: it may be what came
    back dead.
    """

    until: Moment | None
    position: LetterPosition


def _filter(
    *,
    error: Annotated[str | None, Query(description="The error's name")] = None,
    queue: Annotated[str | None, Query(description="The queue it came from")] = None,
    request_id: Annotated[UUID | None, Query(description="A request in the message")] = None,
    recorded_after: Annotated[
        AwareDatetime | None, Query(description="Recorded then or later")
    ] = None,
    recorded_before: Annotated[AwareDatetime | None, Query(description="Recorded earlier")] = None,
    text: Annotated[str | None, Query(description="Part of the fault's message")] = None,
) -> LetterFilter:
    return LetterFilter(
        error=error,
        queue=queue,
        request_id=request_id,
        recorded_after=recorded_after,
        recorded_before=recorded_before,
        text=text,
    )


Wanted = Annotated[LetterFilter, Depends(_filter)]


def letter_endpoints(catalog: Catalog, redriver: Redriver) -> Mapping[str, Endpoint]:
    """The handlers of the addresses of dead letters."""

    async def list_dead_letters(
        wanted: Wanted,
        state: Annotated[LetterState, Query(description="Those that were redriven, too?")] = (
            "waiting"
        ),
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(description="The page before's next_cursor")] = None,
    ) -> Response:
        after = None if cursor is None else position_of(cursor, LetterPosition)
        found = await catalog.dead_letters(wanted, limit=limit + 1, state=state, after=after)
        page, more = found[:limit], found[limit:]
        return json_response(
            LetterList(
                dead_letters=[letter_document(letter) for letter in page],
                next_cursor=cursor_of(page[-1].position) if more else None,
            )
        )

    async def get_dead_letter(letter_id: UUID) -> Response:
        letter = await catalog.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return json_response(letter_document(letter))

    async def redrive_dead_letter(
        letter_id: UUID,
        force: Annotated[
            bool, Query(description="Also what was redriven, or would come straight back")
        ] = False,
    ) -> Response:
        return json_response(letter_document(await redriver.one(letter_id, force=force)))

    async def redrive_dead_letters(request: Request) -> Response:
        asked = await json_body(request, LettersToRedrive, MIB)
        if asked.cursor is None:
            wanted, after = await redriver.those_now(asked.filter), None
        else:
            begun = position_of(asked.cursor, _Batch)
            wanted = msgspec.structs.replace(asked.filter, recorded_before=begun.until)
            after = begun.position
        return json_response(await _redrive(redriver, asked, wanted, after))

    async def delete_dead_letter(letter_id: UUID) -> Response:
        if not await catalog.delete_dead_letter(letter_id):
            raise NotFound(f"there is no dead letter {letter_id}")
        return Response(status_code=204)

    async def delete_dead_letters(
        wanted: Wanted,
        confirm: Annotated[bool, Query(description="true, or nothing is deleted")] = False,
    ) -> Response:
        if not confirm:
            raise InvalidParameter("add confirm=true to delete all the dead letters that are meant")
        deleted = 0
        while some := await catalog.delete_dead_letters(wanted, limit=_DELETED_AT_A_TIME):
            deleted += some
        return json_response(LettersDeleted(deleted=deleted))

    handlers: dict[str, Callable[..., Awaitable[Response]]] = {
        "list_dead_letters": list_dead_letters,
        "get_dead_letter": get_dead_letter,
        "redrive_dead_letter": redrive_dead_letter,
        "redrive_dead_letters": redrive_dead_letters,
        "delete_dead_letter": delete_dead_letter,
        "delete_dead_letters": delete_dead_letters,
    }
    return {
        operation: Endpoint(handler, _ANSWERS[operation], *_DESCRIBED[operation])
        for operation, handler in handlers.items()
    }


async def _redrive(
    redriver: Redriver,
    asked: LettersToRedrive,
    wanted: LetterFilter,
    after: LetterPosition | None,
) -> RedriveBatch:
    """As many as are asked for, within the time. What is away in between ends the batch: the next
    one is told. Raises Unavailable where it is away from the beginning.
    """
    position = after
    redriven: list[UUID] = []
    refused: list[RefusedLetter] = []
    loop = asyncio.get_running_loop()
    # Whoever waits for the answer does not also wait for a turn that comes after the end.
    ends_at = loop.time() + BATCH_SECONDS - 1 / asked.rate
    attempts = redriver.each(wanted, Pace(asked.rate), after=after, force=asked.force)
    async with aclosing(attempts):
        try:
            async for reached, attempt in attempts:
                position = reached
                if attempt.refusal is None:
                    redriven.append(attempt.letter_id)
                else:
                    problem = attempt.refusal.problem().document()
                    refused.append(RefusedLetter(letter_id=attempt.letter_id, problem=problem))
                if len(redriven) + len(refused) >= asked.limit or loop.time() >= ends_at:
                    break
            else:
                position = None
        except Unavailable:
            if not redriven and not refused:
                raise
    following = None if position is None else cursor_of(_Batch(wanted.recorded_before, position))
    return RedriveBatch(redriven=redriven, refused=refused, next_cursor=following)


_AWAY: Final = "The catalog is away"
_BOTH_AWAY: Final = "The catalog or the broker is away, or the queue is full"
_WRONG: Final = "A parameter is not valid"
_NONE: Final = "No such dead letter"
_ANSWERS: Final[Mapping[str, Mapping[int, str]]] = {
    "list_dead_letters": {200: "Dead letters with their reasons", 422: _WRONG, 503: _AWAY},
    "get_dead_letter": {
        200: "The dead letter, with the first bytes of its message in hexadecimal",
        404: _NONE,
        422: "Not an id",
        503: _AWAY,
    },
    "redrive_dead_letter": {
        200: "It is on its queue again",
        404: _NONE,
        409: "It was redriven already, or would come straight back",
        422: _WRONG,
        503: _BOTH_AWAY,
    },
    "redrive_dead_letters": {
        200: "What became of the first of them; next_cursor continues",
        413: "The document is too long",
        415: "The body is not JSON",
        422: _WRONG,
        503: _BOTH_AWAY,
    },
    "delete_dead_letter": {
        204: "It is deleted; its requests stay dead",
        404: _NONE,
        409: "It was redriven, and its requests are not settled yet",
        422: "Not an id",
        503: _AWAY,
    },
    "delete_dead_letters": {200: "How many were deleted", 422: _WRONG, 503: _AWAY},
}
_LETTER: Final = {200: json_of("LetterDocument")}
_BATCH_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                **json_of("LettersToRedrive")["application/json"],
                "example": {"filter": {"error": "delivery-limit"}, "rate": 20},
            }
        },
    }
}
_DESCRIBED: Final[Mapping[str, tuple[Any, ...]]] = {
    "list_dead_letters": ({200: json_of("LetterList")}, {}, [LetterList]),
    "get_dead_letter": (_LETTER, {}, [LetterDocument]),
    "redrive_dead_letter": (_LETTER,),
    "redrive_dead_letters": (
        {200: json_of("RedriveBatch")},
        _BATCH_BODY,
        [LettersToRedrive, RedriveBatch],
    ),
    "delete_dead_letter": (),
    "delete_dead_letters": ({200: json_of("LettersDeleted")}, {}, [LettersDeleted]),
}
