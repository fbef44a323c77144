"""The receiver as a service: its addresses, what it needs, and the phases of its life."""

from collections.abc import Mapping

from sangraha.http.app import Endpoint
from sangraha.http.health import Check
from sangraha.http.routes import Service
from sangraha_receiver.endpoints import receiver_endpoints
from sangraha_receiver.receiver import Receiver


class ReceiverService:
    """Ready while the broker is there and its clock is right: accepting what has no idempotency key
    needs nothing else.
    """

    name: Service = "receiver"

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def endpoints(self) -> Mapping[str, Endpoint]:
        """The handlers of the receiver's routes."""
        return receiver_endpoints(self._receiver)

    def checks(self) -> Mapping[str, Check]:
        """What must work for it to be ready."""
        return {"broker": self._receiver.check_broker, "clock": self._receiver.clock.check}

    async def start(self) -> None:
        """Open the reply queue."""
        await self._receiver.start()

    async def started(self) -> None:
        """It works as soon as it was started."""

    async def drain(self, timeout_seconds: float) -> None:
        """The HTTP server has answered its requests: nothing is left to finish."""
        await self._receiver.stop()
