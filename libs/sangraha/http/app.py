"""The FastAPI application of one service, or of all of them in one process."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Protocol

import msgspec
from fastapi import FastAPI
from starlette.responses import Response

import sangraha
from sangraha.http.admission import AdmissionMiddleware, Limits
from sangraha.http.cors import CorsMiddleware
from sangraha.http.exchange import ExchangeMiddleware
from sangraha.http.faults import FaultMiddleware
from sangraha.http.health import Check, Health, install_health
from sangraha.http.names import NamedPathMiddleware
from sangraha.http.openapi import PROBLEM, openapi_document
from sangraha.http.problem_pages import install_problem_pages
from sangraha.http.problems import install_problems
from sangraha.http.routes import Service as ServiceName
from sangraha.http.routes import routes_of
from sangraha.http.schemas import json_of
from sangraha.metrics import Metrics

PAGE = json_of("ObjectPage")
OBJECT = json_of("StoredObject")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The handler of one route, and what OpenAPI says beyond the table.

    `answers` are descriptions by status, `content` the media types of those below 400; the others
    answer problems. `openapi` is the rest of the operation: parameters, request body, description.
    `models` are structs whose schemas `content` or `openapi` refer to, beyond the library's own.
    """

    handler: Callable[..., Awaitable[Any]]
    answers: Mapping[int, str]
    content: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    openapi: Mapping[str, Any] = field(default_factory=dict)
    models: Sequence[type[msgspec.Struct]] = ()

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


def create_app(
    services: Sequence[Service],
    metrics: Metrics,
    cors_origins: Sequence[str] = (),
    limits: Limits | None = None,
) -> tuple[FastAPI, Health]:
    """One app that serves the routes of all these services within limits, and its health.

    Web pages of `cors_origins` may use it from a browser.
    """
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
    install_health(app, health, metrics)
    install_problem_pages(app)
    install_problems(app)
    # The last one added is the outermost.
    app.add_middleware(NamedPathMiddleware)
    app.add_middleware(AdmissionMiddleware, limits=limits or Limits(), metrics=metrics)
    app.add_middleware(FaultMiddleware)
    if cors_origins:
        app.add_middleware(CorsMiddleware, origins=cors_origins)
    app.add_middleware(ExchangeMiddleware, metrics=metrics)
    models = [model for service in services for model in _models_of(service)]
    app.openapi = cache(partial(openapi_document, app, models))  # type: ignore[method-assign]  # FastAPI's documented hook
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
            response_class=Response,
            response_model=None,
            responses=responses,
            openapi_extra=dict(endpoint.openapi) or None,
        )


def _models_of(service: Service) -> Iterator[type[msgspec.Struct]]:
    for endpoint in service.endpoints().values():
        yield from endpoint.models
