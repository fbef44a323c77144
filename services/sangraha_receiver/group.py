"""What a group of writes holds while it is gathered. Pure: nothing here is sent."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from sangraha import messages
from sangraha.broker.topology import MIB
from sangraha.messages import CreateObject, Inline, WriteGroup, WriteRequest

MAX_GROUP_BYTES: Final = 4 * MIB
MAX_GROUP_REQUESTS: Final = 1000


class GatheredGroup:
    """Requests that wait to be sent together, in the order in which they came."""

    def __init__(self) -> None:
        self._requests: list[WriteRequest] = []
        self._bytes = 0

    def has_room_for(self, request: WriteRequest) -> bool:
        """Whether one more fits; one alone always does."""
        return not self._requests or (
            len(self._requests) < MAX_GROUP_REQUESTS
            and self._bytes + request_bytes(request) <= MAX_GROUP_BYTES
        )

    def add(self, request: WriteRequest) -> None:
        """Gather one more."""
        self._requests.append(request)
        self._bytes += request_bytes(request)

    def take(self) -> list[WriteRequest]:
        """All that was gathered since the last time."""
        taken, self._requests, self._bytes = self._requests, [], 0
        return taken


def group_of(requests: Sequence[WriteRequest], new_id: UUID) -> WriteGroup:
    """The requests as they travel: one alone lends the group its own id."""
    group_id = requests[0].request_id if len(requests) == 1 else new_id
    return WriteGroup(group_id=group_id, requests=list(requests))


def request_bytes(request: WriteRequest) -> int:
    """What the request takes of a message, and of memory; never less."""
    body = b""
    if isinstance(request, CreateObject) and isinstance(request.content, Inline):
        body = request.content.body
        request = msgspec.structs.replace(request, content=Inline(b""))
    return len(messages.encode(group_of([request], request.request_id))) + len(body)
