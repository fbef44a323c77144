"""The FastAPI application of one service, or of all of them in one process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import sangraha
from sangraha.errors import Problem
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.health import Check, Health, health_router
from sangraha.http.problem_pages import problem_pages_router
from sangraha.http.problems import install_problems
from sangraha.http.routes import Service as ServiceName
from sangraha.http.routes import routes_of
from sangraha.metrics import Metrics
from sangraha.objects import ObjectPage, StoredObject

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PAGE = {"application/json": {"schema": {"$ref": "#/components/schemas/ObjectPage"}}}
OBJECT = {"application/json": {"schema": {"$ref": "#/components/schemas/StoredObject"}}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The handler of one route, and what OpenAPI says beyond the table.

    `answers` are descriptions by status; those of 400 and above answer problems.
    """

    handler: Callable[..., Awaitable[Any]]
    answers: Mapping[int, str]
    content: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    openapi: Mapping[str, Any] = field(default_factory=dict)

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """FastAPI's `responses`."""
        return {
            status: {
                "description": text,
                "content": PROBLEM if status >= 400 else dict(self.content.get(status, {})),
            }
            for status, text in self.answers.items()
        }


class Service(Protocol):
    """A service: handlers for its routes, what it needs, and the phases of its life."""

    @property
    def name(self) -> ServiceName: ...

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By operation of the route table: exactly the service's own."""

    def checks(self) -> Mapping[str, Check]:
        """What must work for this service to be ready."""

    async def start(self) -> None:
        """Begin work in the background; returns at once, also while parts are away."""

    async def started(self) -> None:
        """Return once it works; raises what keeps it from that for ever."""

    async def drain(self, timeout_seconds: float) -> None:
        """Take nothing new, finish and settle what there is within the time, and stop."""


def create_app(services: Sequence[Service], metrics: Metrics) -> tuple[FastAPI, Health]:
    """One app that serves the routes of all these services, and its health."""
    checks: dict[str, Check] = {}
    for service in services:
        checks.update(service.checks())
    health = Health(checks)
    app = FastAPI(
        title="Sangraha",
        version=sangraha.__version__,
        description="Durable, queue-backed object storage with types verified by content.",
        redoc_url=None,
        redirect_slashes=False,
    )
    for service in services:
        _add_routes(app, service)
    app.include_router(health_router(health, metrics))
    app.include_router(problem_pages_router())
    install_problems(app)
    app.add_middleware(ExchangeMiddleware, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented hook
    return app, health


def _add_routes(app: FastAPI, service: Service) -> None:
    routes, endpoints = routes_of(service.name), service.endpoints()
    if routes.keys() != endpoints.keys():
        raise LookupError(f"{service.name} and the route table differ in their operations")
    for operation, route in routes.items():
        endpoint = endpoints[operation]
        responses = endpoint.responses()
        success = min(status for status in endpoint.answers)
        app.add_api_route(
            route.path,
            endpoint.handler,
            methods=[route.method],
            name=operation,
            operation_id=operation,
            summary=route.summary,
            tags=[route.service],
            status_code=success,
            response_model=None,
            responses=responses,
            openapi_extra=dict(endpoint.openapi) or None,
        )


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        _, models = msgspec.json.schema_components(
            [StoredObject, ObjectPage], ref_template="#/components/schemas/{name}"
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(models)
        schemas["Problem"] = _PROBLEM_SCHEMA
        app.openapi_schema = document
    return app.openapi_schema


_PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": f"RFC 9457 problem details. {Problem.__doc__}",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "exchange_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
}
