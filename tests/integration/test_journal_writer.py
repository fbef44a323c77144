"""The journal's writer groups what it is asked to commit."""

from collections.abc import Sequence
from pathlib import Path

from sangraha.broker.journal.database import Database
from sangraha.broker.journal.operations import Insert, Operation, encode_properties
from sangraha.broker.journal.writer import Writer
from sangraha.broker.protocol import Message
from sangraha.broker.topology import MIB
from tests.waiting import eventually


class CountingDatabase(Database):
    """The real file, and how many operations each transaction had."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []

    def commit(self, operations: Sequence[Operation]) -> dict[int, bytes]:
        self.sizes.append(len(operations))
        return super().commit(operations)


async def test_what_is_submitted_while_the_disk_is_busy_shares_one_transaction(
    tmp_path: Path,
) -> None:
    database = CountingDatabase(tmp_path / "journal.sqlite")
    writer = Writer(database, on_change=lambda: None)
    await writer.open()
    done: list[int] = []

    def submit(id_: int, size: int) -> None:
        properties = encode_properties(Message(body=b"", message_id=str(id_)), 0)
        insert = Insert(id_, "work", 0, properties, bytes(size))
        writer.submit(insert, lambda _: done.append(id_))

    submit(1, 10)
    await eventually(lambda: done == [1])
    for id_ in range(2, 102):
        submit(id_, 10)
    await eventually(lambda: len(done) == 101)
    for id_ in range(102, 107):
        submit(id_, 14 * MIB)
    await eventually(lambda: len(done) == 106)
    await writer.close()

    assert done == list(range(1, 107))
    assert database.sizes == [1, 100, 2, 2, 1]
