"""The orchestrator's addresses, for operators: workers and dead letters."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.dead_letter import DeadLetter
from sangraha.catalog.worker import Worker
from sangraha.errors import NotFound
from sangraha.http.app import Endpoint
from sangraha.http.json import json_response
from sangraha.settings import Settings

FIRST_BYTES: Final = 256


def orchestrator_endpoints(settings: Settings, catalog: Catalog) -> Mapping[str, Endpoint]:
    """The handlers of the orchestrator's routes."""

    async def list_workers() -> Response:
        workers = await catalog.workers()
        return json_response({"workers": [worker_document(worker, settings) for worker in workers]})

    async def list_dead_letters(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        before: Annotated[UUID | None, Query(description="Continue after this one")] = None,
    ) -> Response:
        letters = await catalog.dead_letters(limit=limit, before=before)
        return json_response({"dead_letters": [letter_document(letter) for letter in letters]})

    async def get_dead_letter(letter_id: UUID) -> Response:
        letter = await catalog.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return json_response(letter_document(letter))

    away = "The catalog is away"
    return {
        "list_workers": Endpoint(
            list_workers, {200: "Each worker with its host, age and counts", 503: away}
        ),
        "list_dead_letters": Endpoint(
            list_dead_letters,
            {200: "Dead letters with their reasons", 422: "A parameter is not valid", 503: away},
        ),
        "get_dead_letter": Endpoint(
            get_dead_letter,
            {
                200: "The dead letter, with the first bytes of its message in hexadecimal",
                404: "No such dead letter",
                422: "Not an id",
                503: away,
            },
        ),
    }


def worker_document(worker: Worker, settings: Settings) -> dict[str, Any]:
    """A worker as operators see it; its age is that of its last beat, by the catalog's clock."""
    lost = worker.age_seconds > settings.worker_lost_seconds
    return {
        "worker_id": worker.worker_id,
        "host": worker.host,
        "pid": worker.pid,
        "state": "lost" if lost else "alive",
        "started_at": worker.started_at,
        "last_beat_at": worker.last_beat_at,
        "age_seconds": round(worker.age_seconds, 1),
        "in_flight": worker.in_flight,
        "done": worker.done,
    }


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as operators see it."""
    document: dict[str, Any] = {
        "letter_id": letter.letter_id,
        "message_id": letter.message_id,
        "queue": letter.queue,
        "request_ids": letter.request_ids,
        "fault": letter.fault,
        "headers": letter.headers,
        "body_size": letter.body_size,
        "recorded_at": letter.recorded_at,
    }
    if letter.body is not None:
        document["first_bytes"] = letter.body[:FIRST_BYTES].hex()
    return document
