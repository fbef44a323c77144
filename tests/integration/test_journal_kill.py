"""A process killed with SIGKILL in the middle of its work loses nothing it confirmed."""

import asyncio
import signal
import sys
from pathlib import Path

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Delivery
from sangraha.broker.topology import WRITE_QUEUE
from tests.waiting import eventually


async def confirmed_before_the_kill(path: Path, prefix: str, at_least: int) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.journal_publisher",
        str(path),
        prefix,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    confirmed: list[str] = []
    try:
        async with asyncio.timeout(60):
            while len(confirmed) < at_least:
                line = await process.stdout.readline()
                assert line, "the publisher ended by itself"
                confirmed.append(line.decode().strip())
    finally:
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
    # A last line without its end was cut by the kill; it may have lost a digit.
    return confirmed + [line.decode() for line in rest.split(b"\n")[:-1]]


async def test_everything_confirmed_before_a_kill_9_is_delivered_whole_at_the_next_start(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite"
    confirmed: list[str] = []
    for round_, at_least in enumerate((1, 50, 400)):
        confirmed += await confirmed_before_the_kill(path, str(round_), at_least)

    broker = JournalBroker(path)
    await broker.start()
    deliveries: list[Delivery] = []
    await broker.consume(WRITE_QUEUE.name, deliveries.append, prefetch=100_000)
    kept = await broker.depth(WRITE_QUEUE.name) + len(deliveries)
    await eventually(lambda: len(deliveries) >= len(confirmed), what="all deliveries")

    ids = [delivery.message.message_id for delivery in deliveries]
    assert set(confirmed) <= set(ids)
    assert len(ids) == len(set(ids))
    assert kept <= len(ids)
    for delivery in deliveries:
        message_id = delivery.message.message_id
        assert delivery.message.body == message_id.encode() * 200
    # What the dead process was handed and held is counted: its first messages, in each life.
    assert deliveries[0].redeliveries == 3
    assert sum(delivery.redeliveries > 0 for delivery in deliveries) >= 50
    for publisher in (f"{round_}.{number}." for round_ in range(3) for number in range(8)):
        mine = [int(each.rsplit(".")[-1]) for each in ids if each.startswith(publisher)]
        assert mine == sorted(mine)
    await broker.close()
