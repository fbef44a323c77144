"""What is done to a RabbitMQ node from inside, by its own control program."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from development.servers import RabbitmqServer


async def kill(server: RabbitmqServer) -> None:
    """Kill -9, once the server has written down which queues there are.

    RabbitMQ 3.10 keeps the names of new quorum queues in a write cache for up to three seconds,
    unlike their messages, and forgets a queue whose name it had not written. That is a matter of
    the first seconds of an installation; tests make their queues all the time.
    """
    await control(server, "eval", "[ok = dets:sync(Table) || Table <- dets:all()].")
    await asyncio.to_thread(server.kill)


@asynccontextmanager
async def memory_alarm(server: RabbitmqServer) -> AsyncIterator[None]:
    """Inside, the node believes that it has used all its memory, and blocks publishers."""
    await control(server, "set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        await control(server, "set_vm_memory_high_watermark", "0.4")


async def control(server: RabbitmqServer, *arguments: str) -> str:
    """Run rabbitmqctl beside the event loop."""
    return await asyncio.to_thread(server.control, *arguments)
