"""The getter as a service: its addresses, what it needs, and the phases of its life."""

from collections.abc import Mapping

from sangraha.http.app import Endpoint
from sangraha.http.health import Check
from sangraha.http.routes import Service
from sangraha_getter.endpoints import getter_endpoints
from sangraha_getter.getter import Getter


class GetterService:
    """Ready while the broker is."""

    name: Service = "getter"

    def __init__(self, getter: Getter) -> None:
        self._getter = getter

    def endpoints(self) -> Mapping[str, Endpoint]:
        """The handlers of the getter's routes."""
        return getter_endpoints(self._getter)

    def checks(self) -> Mapping[str, Check]:
        """What must work for it to be ready."""
        return {"broker": self._getter.check_broker}

    async def start(self) -> None:
        """Open the reply queue."""
        await self._getter.start()

    async def started(self) -> None:
        """It works as soon as it was started."""

    async def drain(self, timeout_seconds: float) -> None:
        """Nothing is left here once the HTTP server has answered its requests."""
