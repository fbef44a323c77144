"""The orchestrator's addresses, for operators: the worker pool, and those of dead letters."""

from collections.abc import Mapping

from starlette.responses import Response

from sangraha.catalog.catalog import Catalog
from sangraha.http.app import Endpoint
from sangraha.http.json import json_response
from sangraha.http.schemas import json_of
from sangraha.settings import Settings
from sangraha_orchestrator.documents import WorkerList, worker_status
from sangraha_orchestrator.letters import letter_endpoints
from sangraha_orchestrator.redrive import Redriver


def orchestrator_endpoints(
    settings: Settings, catalog: Catalog, redriver: Redriver
) -> Mapping[str, Endpoint]:
    """The handlers of the orchestrator's routes."""

    async def list_workers() -> Response:
        workers = await catalog.workers()
        return json_response(
            WorkerList(
                workers=[worker_status(worker, settings.worker_lost_seconds) for worker in workers]
            )
        )

    return {
        "list_workers": Endpoint(
            list_workers,
            {200: "Each worker with its host, age and counts", 503: "The catalog is away"},
            {200: json_of("WorkerList")},
            models=[WorkerList],
        ),
        **letter_endpoints(catalog, redriver),
    }
