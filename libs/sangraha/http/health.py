"""Health: live while the process answers, ready while all its parts work.

Containers are restarted on liveness alone; load balancers look at readiness.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Response

from sangraha.errors import SangrahaError
from sangraha.http.json import json_response
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


def health_router(health: Health, metrics: Metrics) -> APIRouter:
    """/health/live, /health/ready, /health and /metrics."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/health/ready",
        summary="Whether requests can be taken",
        responses={503: {"description": "A part is away, or the process is shutting down"}},
    )
    async def ready() -> Response:
        return _answer(await health.parts(), unready=503)

    @router.get("/health", summary="Each part's state")
    async def parts() -> Response:
        return _answer(await health.parts(), unready=200)

    @router.get("/metrics", summary="Metrics in Prometheus' text format")
    async def page() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE)

    return router


def _answer(parts: dict[str, str], unready: int) -> Response:
    ready = all(state == "ok" for state in parts.values())
    document: dict[str, Any] = {"status": "ready" if ready else "not ready", "parts": parts}
    return json_response(document, 200 if ready else unready)
