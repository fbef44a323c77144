"""The embedded broker: durable queues in one SQLite file, for one process, with no server."""

from sangraha.broker.journal.broker import JournalBroker

__all__ = ["JournalBroker"]
