"""Keeps of a body that streams past what the decision about its type needs."""

from sangraha.content_types.json_document import JsonReader
from sangraha.content_types.seen import HEAD_BYTES, TAIL_BYTES, Seen


class Watcher:
    """One body. Holds less than 100 KiB, however large it is; nothing is copied for good but its
    ends, and only what starts like JSON is read at all.
    """

    def __init__(self) -> None:
        self._size = 0
        self._head = b""
        self._tail = b""
        self._json = JsonReader()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the body; of any number, some tens of KiB are best."""
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._size += len(chunk)
        self._tail = (self._tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._json.feed(chunk)

    def seen(self) -> Seen:
        """What was seen, after all of the body: nothing may be fed any more."""
        return self._json.finish(Seen(size=self._size, head=self._head, tail=self._tail))
