"""What was seen of a body that streamed past: enough to decide what it is without reading it
again.
"""

from typing import Final

import msgspec

HEAD_BYTES: Final = 4 * 1024
TAIL_BYTES: Final = 1024


class Unseen(Exception):
    """The bytes that would tell lie between the head and the tail, and were not kept."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The first HEAD_BYTES, the last TAIL_BYTES and the size of a body.

    `is_json` says that all of it was parsed as one JSON document. `json_damage` says why it is
    none although it looked like one; both are unset for what never looked like JSON.
    `json_malformed` says that the damage is in the grammar, so that it may be something else.

    Where the whole body is at hand, the head is all of it, and the JSON members say nothing.
    """

    size: int
    head: bytes
    tail: bytes
    is_json: bool = False
    json_damage: str | None = None
    json_malformed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the head is all of the body."""
        return len(self.head) == self.size

    @classmethod
    def whole(cls, body: bytes) -> "Seen":
        """A body of which nothing is unseen."""
        return cls(size=len(body), head=body, tail=body[-TAIL_BYTES:])

    def joined(self) -> "Seen":
        """The same, as a whole body where head and tail are all of it."""
        overlap = len(self.head) + len(self.tail) - self.size
        return self if self.is_whole or overlap < 0 else self.whole(self.head + self.tail[overlap:])

    def at(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, all of which lie within the size. Raises Unseen."""
        if start + length <= len(self.head):
            return self.head[start : start + length]
        in_tail = start - (self.size - len(self.tail))
        if in_tail < 0:
            raise Unseen
        return self.tail[in_tail : in_tail + length]

    def tail_from(self, start: int) -> bytes:
        """What of the tail does not lie before `start`."""
        return self.tail[max(0, start - (self.size - len(self.tail))) :]
