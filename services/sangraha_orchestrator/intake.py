"""When the orchestrator takes from its queues: not while store or catalog are away.

The first delivery that has to be held closes the intake, so that an outage costs the messages in
the queue nothing, however long it takes. What is held goes on trying, and so finds out when the
outage is over; where it was all given back in the meantime, a probe does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sangraha.errors import Unavailable
from sangraha_orchestrator.hold import Hold
from sangraha_orchestrator.pool import Pool

logger = logging.getLogger(__name__)

PROBE_SECONDS: Final = 1.0


class Intake:
    """Opens and closes these pools. `probe` writes something, and raises Unavailable while that
    fails: what can only be read is no place to take writes for.
    """

    def __init__(
        self, pools: Sequence[Pool], hold: Hold, probe: Callable[[], Awaitable[None]]
    ) -> None:
        self._pools = pools
        self._hold = hold
        self._probe = probe
        self._task: asyncio.Task[None] | None = None
        self.open = False

    async def start(self) -> None:
        """Take from the queues from now on, but for outages."""
        await self._open()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Take nothing new."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._close()

    async def _watch(self) -> None:
        while True:
            await self._hold.began()
            logger.warning("taking no writes until store and catalog are back")
            await self._close()
            await self._hold.ended()
            while not await self._reopened():  # noqa: ASYNC110 - the end of an outage tells nobody
                await asyncio.sleep(PROBE_SECONDS)
            logger.info("taking writes again")

    async def _reopened(self) -> bool:
        try:
            await self._probe()
            await self._open()
        except Unavailable:
            return False
        except Exception:
            logger.exception("could not take from the queues again")
            return False
        return True

    async def _open(self) -> None:
        for pool in self._pools:
            await pool.start()
        self.open = True

    async def _close(self) -> None:
        self.open = False
        for pool in self._pools:
            await pool.stop_taking()
