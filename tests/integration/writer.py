"""Publishing groups of writes as a receiver would, without HTTP."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sangraha import messages
from sangraha.broker.protocol import Message
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.content_types import Watcher
from sangraha.ids import CHECK_BYTES
from sangraha.messages import (
    Claimed,
    CreateObject,
    Inline,
    WriteGroup,
    WriteOutcome,
    WriteReplies,
    WriteRequest,
)
from sangraha.store.keys import object_key
from tests.integration.conftest import House
from tests.waiting import eventually


def create(house: House, body: bytes, **fields: Any) -> CreateObject:
    """A create of this body, inside the message."""
    return CreateObject(
        **{"request_id": house.mint.new(), "allowed": ["json"], "content": Inline(body), **fields}
    )


async def claim(house: House, body: bytes, **fields: Any) -> CreateObject:
    """A create of this body, which is put into the store for it."""
    given = {"request_id": house.mint.new(), "bucket": "default", **fields}
    key = object_key(given["bucket"], given["request_id"], fields.get("file_name"))
    await house.store.put(key, body)
    watcher = Watcher()
    watcher.feed(body)
    digest = hashlib.sha256(body).hexdigest()
    return CreateObject(**given, content=Claimed(key=key, sha256=digest, seen=watcher.seen()))


def aged(house: House, seconds: float) -> UUID:
    """An id of a request that was made so long ago."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    milliseconds = int(then.timestamp() * 1000).to_bytes(6, "big")
    return UUID(bytes=milliseconds + house.mint.new().bytes[6:-CHECK_BYTES] + bytes(CHECK_BYTES))


class Writer:
    """Publishes groups, and keeps what is replied."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._reply_queue = f"object_response_queue.test.{uuid.uuid4()}"
        self._replies: dict[UUID, list[WriteOutcome]] = {}

    async def open(self) -> "Writer":
        await self._house.broker.open_reply_queue(self._reply_queue, self._on_reply)
        return self

    async def send(self, *requests: WriteRequest) -> list[WriteOutcome]:
        """Publish one group and return what its only reply says."""
        group_id = self._house.mint.new()
        await self.publish_group(group_id, *requests)
        await eventually(lambda: group_id in self._replies)
        return self._replies[group_id]

    async def one(self, request: WriteRequest) -> WriteOutcome:
        """Likewise a group of one."""
        (outcome,) = await self.send(request)
        return outcome

    async def publish_group(self, group_id: UUID, *requests: WriteRequest) -> None:
        """Publish one group, and wait for nothing."""
        group = WriteGroup(group_id=group_id, requests=list(requests))
        await self.publish(messages.encode(group), group_id, requests)

    async def publish(
        self, body: bytes, group_id: UUID, requests: Sequence[WriteRequest] = ()
    ) -> None:
        """Publish these bytes as a group's message, and wait for nothing."""
        message = Message(
            body=body,
            message_id=str(group_id),
            reply_to=self._reply_queue,
            headers={"sangraha-requests": ",".join(str(one.request_id) for one in requests)},
        )
        await self._house.broker.publish(WRITE_QUEUE.name, message, timeout_seconds=10)

    def _on_reply(self, message: Message) -> None:
        reply = messages.decode(WriteReplies, message.body)
        assert reply.group_id not in self._replies, "a group has one reply"
        self._replies[reply.group_id] = reply.outcomes
