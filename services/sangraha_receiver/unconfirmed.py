"""Groups whose confirm never came: published again until it does, so that the status addresses
the client was sent to come to tell the truth.
"""

import asyncio
import logging
from typing import Final

from sangraha.errors import Unavailable
from sangraha.logs import bound
from sangraha.messages import WriteGroup
from sangraha_receiver.group import request_bytes
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

    def keep(self, group: WriteGroup) -> None:
        """Publish this group until it is confirmed; where there is no room for it, do not."""
        size = sum(request_bytes(request) for request in group.requests)
        if self._bytes + size > MAX_BYTES:
            logger.warning("no room to publish again: the client was told that it is unknown")
            return
        self._bytes += size
        task = asyncio.get_running_loop().create_task(self._publish(group, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is still unconfirmed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self, group: WriteGroup, size: int) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MAX_SECONDS
        try:
            with bound(request_id=",".join(str(each.request_id) for each in group.requests)):
                while loop.time() < deadline:
                    try:
                        await self._outbox.publish(group)
                    except Unavailable:
                        await asyncio.sleep(_PAUSE_SECONDS)
                    else:
                        logger.info("confirmed after all")
                        return
                logger.error("never confirmed: the request may be lost")
        finally:
            self._bytes -= size
