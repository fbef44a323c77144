"""Health: live while the process answers, ready while all its parts work.

Containers are restarted on liveness alone; load balancers look at readiness.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from fastapi import FastAPI, Response

from sangraha.errors import SangrahaError
from sangraha.http.json import json_response
from sangraha.http.schemas import json_of
from sangraha.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], Awaitable[None]]
"""Raises a SangrahaError that says what is wrong; returns if all is well."""

CHECK_SECONDS = 3.0


class Health:
    """What a process needs to be ready: named checks, and whether it is being shut down."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self.draining = False

    async def parts(self) -> dict[str, str]:
        """Each part's state: "ok", or what is wrong with it."""
        states = await asyncio.gather(*(self._state(check) for check in self._checks.values()))
        parts = dict(zip(self._checks, states, strict=True))
        if self.draining:
            parts["process"] = "shutting down"
        return parts

    async def ready(self) -> bool:
        """Whether every part is ok and the process is not shutting down."""
        return all(state == "ok" for state in (await self.parts()).values())

    @staticmethod
    async def _state(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except SangrahaError as error:
            return error.detail
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        return "ok"


def install_health(app: FastAPI, health: Health, metrics: Metrics) -> None:
    """Serve /health/live, /health/ready, /health and /metrics."""
    document = {"content": json_of("Health")}
    get = partial(app.get, tags=["health"], response_class=Response)

    @get("/health/live", summary="Whether the process answers", responses={200: _LIVE})
    async def live() -> Response:
        return json_response({"status": "live"})

    @get(
        "/health/ready",
        summary="Whether requests can be taken",
        responses={
            200: {**document, "description": "They can"},
            503: {**document, "description": "A part is away, or the process is shutting down"},
        },
    )
    async def ready() -> Response:
        return _answer(await health.parts(), unready=503)

    @get(
        "/health",
        summary="Each part's state",
        responses={200: {**document, "description": "The state, ready or not"}},
    )
    async def parts() -> Response:
        return _answer(await health.parts(), unready=200)

    @get("/metrics", summary="Metrics in Prometheus' text format", responses={200: _METRICS})
    async def page() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE)


_LIVE: Final[dict[str, Any]] = {
    "description": "It does",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"status": {"const": "live"}},
                "required": ["status"],
            },
            "example": {"status": "live"},
        }
    },
}
_METRICS: Final[dict[str, Any]] = {
    "description": "All metrics of this process",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def _answer(parts: dict[str, str], unready: int) -> Response:
    ready = all(state == "ok" for state in parts.values())
    document: dict[str, Any] = {"status": "ready" if ready else "not ready", "parts": parts}
    return json_response(document, 200 if ready else unready)
