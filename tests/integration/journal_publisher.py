"""A process for test_journal_kill.py to kill: publishes for ever and prints each confirmed id."""

import asyncio
import sys
from pathlib import Path

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import WRITE_QUEUE


async def publish_for_ever(path: Path, prefix: str) -> None:
    broker = JournalBroker(path)
    await broker.start()
    held: list[Delivery] = []
    await broker.consume(WRITE_QUEUE.name, held.append, prefetch=50)

    async def publish_one_by_one(publisher: int) -> None:
        number = 0
        while True:
            number += 1
            message_id = f"{prefix}.{publisher}.{number}"
            body = message_id.encode() * 200
            await broker.publish(
                WRITE_QUEUE.name, Message(body=body, message_id=message_id), timeout_seconds=30
            )
            print(message_id, flush=True)  # noqa: T201 the parent reads it

    async with asyncio.TaskGroup() as publishers:
        for publisher in range(8):
            publishers.create_task(publish_one_by_one(publisher))


if __name__ == "__main__":
    asyncio.run(publish_for_ever(Path(sys.argv[1]), sys.argv[2]))
