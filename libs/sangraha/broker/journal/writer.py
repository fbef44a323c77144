"""Group commit: one thread writes; what is asked for while it writes goes into the next
transaction. No timer decides when: an idle journal writes at once, a busy one in groups.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sangraha.broker.journal.database import CommitUncertain, Database
from sangraha.broker.journal.operations import Delete, Insert, Kept, Move, Operation
from sangraha.broker.topology import MIB
from sangraha.errors import BrokerUnavailable, OutcomeUnknown

MAX_TRANSACTION_BYTES: Final = 32 * MIB
FIRST_RETRY_SECONDS: Final = 0.05
LAST_RETRY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Ticket:
    """An operation on its way. `done` is called once it is committed, with the body it read.

    While `waiting` it may be changed or withdrawn; afterwards it may be in the file already.
    """

    operation: Operation
    done: Callable[[bytes | None], None]
    waiting: bool = True
    uncertain: bool = False
    withdrawn: bool = False
    committed: asyncio.Future[None] | None = None


class Writer:
    """Commits operations in the order they were submitted, and tries again for ever."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        """`on_change` is called whenever `working` may have changed."""
        self._database = database
        self._on_change = on_change
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._tickets: list[Ticket] = []
        self._submitted = asyncio.Event()
        self._closing = asyncio.Event()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def working(self) -> bool:
        """Whether the file is open and the last transaction went through."""
        return self._task is not None and not self._failing and not self._closing.is_set()

    async def open(self) -> list[Kept]:
        """Open the file and start. Raises what Database.open raises."""
        kept = await asyncio.get_running_loop().run_in_executor(self._executor, self._database.open)
        self._task = asyncio.create_task(self._run())
        return kept

    def submit(self, operation: Operation, done: Callable[[bytes | None], None]) -> Ticket:
        """Commit this with the next transaction."""
        ticket = Ticket(operation, done)
        self._tickets.append(ticket)
        self._submitted.set()
        return ticket

    async def wait(self, ticket: Ticket, timeout_seconds: float) -> None:
        """Return once it is committed.

        Raises BrokerUnavailable where it was not in time and is withdrawn, OutcomeUnknown where
        it could not be withdrawn: it is, or will be, in the file unless the process dies.
        """
        ticket.committed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_seconds):
                await ticket.committed
        except TimeoutError:
            if not ticket.committed.cancelled():
                return ticket.committed.result()  # decided in the very moment of the deadline
            self._give_up(ticket)
            raise _failure(ticket) from None
        except asyncio.CancelledError:
            self._give_up(ticket)
            raise

    async def close(self) -> None:
        """Finish what was submitted, unless the disk fails; let go of the file and the thread."""
        self._closing.set()
        self._submitted.set()
        if self._task is not None:
            await self._task
        for ticket in self._tickets:
            self._give_up(ticket)
            if ticket.committed is not None and not ticket.committed.done():
                ticket.committed.set_exception(_failure(ticket))
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close_database)
        await asyncio.to_thread(self._executor.shutdown)

    async def _run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            await self._submitted.wait()
            self._submitted.clear()
            while self._tickets or self._failing:
                if await self._transaction():
                    delay = FIRST_RETRY_SECONDS
                    continue
                if self._closing.is_set():
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), delay)
                delay = min(2 * delay, LAST_RETRY_SECONDS)
            if self._closing.is_set():
                return

    async def _transaction(self) -> bool:
        batch = self._take()
        operations = [ticket.operation for ticket in batch]
        try:
            bodies = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._database.commit, operations
            )
        except Exception as error:  # whatever it is, this task must go on trying
            for ticket in batch:
                ticket.uncertain |= isinstance(error, CommitUncertain)
                ticket.waiting = not ticket.uncertain
            self._tickets[:0] = batch
            self._set_failing(error)
            return False
        self._set_failing(None)
        for ticket in batch:
            ticket.done(bodies.get(ticket.operation.id))
            if ticket.committed is not None and not ticket.committed.done():
                ticket.committed.set_result(None)
        return True

    def _take(self) -> list[Ticket]:
        """The next transaction: the oldest tickets, up to a number of bytes."""
        tickets = [ticket for ticket in self._tickets if not ticket.withdrawn]
        if self._failing:
            # On a full disk removing may work where adding does not, and makes room.
            tickets = _removals(tickets) or tickets
        size = 0
        batch: list[Ticket] = []
        for ticket in tickets:
            size += len(ticket.operation.body) if isinstance(ticket.operation, Insert) else 0
            if batch and size > MAX_TRANSACTION_BYTES:
                break
            ticket.waiting = False
            batch.append(ticket)
        taken = set(batch)
        self._tickets = [
            ticket for ticket in self._tickets if ticket not in taken and not ticket.withdrawn
        ]
        return batch

    def _give_up(self, ticket: Ticket) -> None:
        ticket.withdrawn = ticket.waiting

    def _set_failing(self, error: Exception | None) -> None:
        was, self._failing = self._failing, error is not None
        if was == self._failing:
            return
        if error is not None:
            log.error("the journal cannot write: %s", error)
        else:
            log.info("the journal writes again")
        self._on_change()

    def _close_database(self) -> None:
        try:
            self._database.close()
        except sqlite3.Error as error:
            log.warning("the journal was not closed cleanly: %s", error)


def _removals(tickets: list[Ticket]) -> list[Ticket]:
    """The operations that need no room and depend on no other."""
    adding = {ticket.operation.id for ticket in tickets if isinstance(ticket.operation, Insert)}
    return [
        ticket
        for ticket in tickets
        if isinstance(ticket.operation, Delete | Move) and ticket.operation.id not in adding
    ]


def _failure(ticket: Ticket) -> BrokerUnavailable | OutcomeUnknown:
    if ticket.withdrawn:
        return BrokerUnavailable("the journal cannot write to its disk")
    return OutcomeUnknown("the journal's disk did not answer in time")
