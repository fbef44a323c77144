"""Requests whose confirm never came: published again until it does, so that the status address
the client was sent to comes to tell the truth.
"""

import asyncio
import logging
from typing import Final

from sangraha.errors import Unavailable
from sangraha.logs import bound
from sangraha.messages import CreateObject
from sangraha_receiver.outbox import Outbox

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_SECONDS: Final = 600.0
_PAUSE_SECONDS: Final = 1.0


class Unconfirmed:
    """Keeps publishing in the background, bounded in bytes and time.

    Publishing an id again is harmless: whatever was committed once is found by the next delivery.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, request: CreateObject) -> None:
        """Publish this request until it is confirmed; where there is no room for it, do not."""
        if self._bytes + len(request.body) > MAX_BYTES:
            logger.warning("no room to publish again: the client was told that it is unknown")
            return
        self._bytes += len(request.body)
        task = asyncio.get_running_loop().create_task(self._publish(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is still unconfirmed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self, request: CreateObject) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MAX_SECONDS
        try:
            with bound(request_id=request.request_id):
                while loop.time() < deadline:
                    try:
                        await self._outbox.publish(request)
                    except Unavailable:
                        await asyncio.sleep(_PAUSE_SECONDS)
                    else:
                        logger.info("confirmed after all")
                        return
                logger.error("never confirmed: the request may be lost")
        finally:
            self._bytes -= len(request.body)
