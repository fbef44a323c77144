"""The orchestrator's addresses, for operators: workers and dead letters."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from sangraha.catalog.catalog import Catalog
from sangraha.errors import NotFound
from sangraha.http.app import Endpoint
from sangraha.http.json import json_response
from sangraha.http.schemas import json_of
from sangraha.settings import Settings
from sangraha_orchestrator.documents import LetterList, WorkerList, letter_document, worker_status


def orchestrator_endpoints(settings: Settings, catalog: Catalog) -> Mapping[str, Endpoint]:
    """The handlers of the orchestrator's routes."""

    async def list_workers() -> Response:
        workers = await catalog.workers()
        return json_response(
            WorkerList(
                workers=[worker_status(worker, settings.worker_lost_seconds) for worker in workers]
            )
        )

    async def list_dead_letters(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        before: Annotated[UUID | None, Query(description="Continue after this one")] = None,
    ) -> Response:
        letters = await catalog.dead_letters(limit=limit, before=before)
        return json_response(LetterList(dead_letters=[letter_document(one) for one in letters]))

    async def get_dead_letter(letter_id: UUID) -> Response:
        letter = await catalog.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return json_response(letter_document(letter))

    away = "The catalog is away"
    return {
        "list_workers": Endpoint(
            list_workers,
            {200: "Each worker with its host, age and counts", 503: away},
            {200: json_of("WorkerList")},
            models=[WorkerList],
        ),
        "list_dead_letters": Endpoint(
            list_dead_letters,
            {200: "Dead letters with their reasons", 422: "A parameter is not valid", 503: away},
            {200: json_of("LetterList")},
            models=[LetterList],
        ),
        "get_dead_letter": Endpoint(
            get_dead_letter,
            {
                200: "The dead letter, with the first bytes of its message in hexadecimal",
                404: "No such dead letter",
                422: "Not an id",
                503: away,
            },
            {200: json_of("LetterDocument")},
        ),
    }
