"""A service with all routes of its table, for what every service does alike."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from sangraha.http.app import Endpoint
from sangraha.http.health import Check
from sangraha.http.routes import Service, routes_of


class AnyService:
    """Serves all routes of a service, and documents a few of them more closely."""

    def __init__(self, name: Service, **endpoints: Endpoint) -> None:
        self.name: Service = name
        self._endpoints = endpoints

    def endpoints(self) -> Mapping[str, Endpoint]:
        async def answer(limit: Annotated[int, Query(ge=1)] = 1) -> Response:
            return Response(str(limit))

        plain = {name: Endpoint(answer, {200: "Fine"}) for name in routes_of(self.name)}
        return {**plain, **self._endpoints}

    def checks(self) -> Mapping[str, Check]:
        return {}

    async def start(self) -> None:
        """Nothing to start."""

    async def started(self) -> None:
        """It works."""

    async def drain(self, timeout_seconds: float) -> None:
        """Nothing to finish."""
