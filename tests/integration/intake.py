"""A receiver on a real journal, store and catalog, over HTTP, with a scripted worker behind it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from fastapi import FastAPI

from sangraha import messages
from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Delivery, Message
from sangraha.broker.topology import DEAD_LETTER_QUEUE, WRITE_QUEUE
from sangraha.catalog.catalog import Catalog
from sangraha.ending import Ending
from sangraha.http.app import create_app
from sangraha.ids import IdMint, made_at
from sangraha.messages import (
    CreateObject,
    Done,
    Inline,
    WriteGroup,
    WriteOutcome,
    WriteReplies,
    WriteRequest,
)
from sangraha.metrics import Metrics
from sangraha.objects import StoredObject
from sangraha.parts import Parts
from sangraha.settings import Settings
from sangraha.store.local import LocalStore
from sangraha.store.protocol import Store
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.service import ReceiverService
from tests.waiting import eventually

Answer = Callable[[WriteRequest], WriteOutcome | None]


def stored(request: WriteRequest, **fields: Any) -> StoredObject:
    """What a worker would tell of such a create."""
    content = request.content if isinstance(request, CreateObject) else Inline(b"")
    body = content.body if isinstance(content, Inline) else b""
    return StoredObject(
        **{
            "object_id": request.request_id,
            "request_id": request.request_id,
            "bucket": getattr(request, "bucket", "default"),
            "name": getattr(request, "name", None),
            "file_name": getattr(request, "file_name", None),
            "version": 1,
            "type": "other",
            "content_type": "application/octet-stream",
            "declared_content_type": None,
            "size": content.size,
            "sha256": hashlib.sha256(body).hexdigest(),
            "metadata": {},
            "created_at": made_at(request.request_id),
            **fields,
        }
    )


def done(request: WriteRequest) -> WriteOutcome:
    """Creates make an object; nothing else has anything to show."""
    made = stored(request) if isinstance(request, CreateObject) else None
    return Done(request_id=request.request_id, object=made)


@dataclass
class Intake:
    """The receiver's app and what it talks to. `answer` is what the worker makes of a request;
    None is no answer.
    """

    app: FastAPI
    http: httpx.AsyncClient
    receiver: Receiver
    broker: JournalBroker
    store: Store
    parts: Parts
    answer: Answer = done
    groups: list[WriteGroup] = field(default_factory=list)
    _working: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def requests(self) -> list[WriteRequest]:
        """All that was published, in order."""
        return [request for group in self.groups for request in group.requests]

    async def create(self) -> CreateObject:
        """The only request that was published."""
        (request,) = await eventually(lambda: self.requests)
        assert isinstance(request, CreateObject)
        return request

    async def kept(self) -> list[str]:
        """All that the store has, half of a body included."""
        bodies = [body.key async for batch in self.store.list() for body in batch]
        return bodies + [each.key async for batch in self.store.unfinished() for each in batch]

    def work(self, delivery: Delivery) -> None:
        """Answer a group as a worker would."""
        self._working.add(task := asyncio.create_task(self._settle(delivery)))
        task.add_done_callback(self._working.discard)

    async def _settle(self, delivery: Delivery) -> None:
        group = messages.decode(WriteGroup, delivery.message.body)
        self.groups.append(group)
        outcomes = [outcome for one in group.requests if (outcome := self.answer(one))]
        await delivery.ack()
        if outcomes:
            replies = WriteReplies(group_id=group.group_id, outcomes=outcomes)
            message = Message(body=messages.encode(replies), message_id=str(group.group_id))
            await self.broker.reply(str(delivery.message.reply_to), message)


@dataclass
class RawAnswer:
    """What came of a request that was made without a client: status 0 is no answer."""

    status: int = 0
    body: bytes = b""
    chunks_read: int = 0
    chunks_read_before_it: int = 0


async def raw_request(
    app: FastAPI,
    method: str,
    path: str,
    headers: Mapping[str, str],
    chunks: Sequence[bytes],
    *,
    is_cut: bool = False,
) -> RawAnswer:
    """Send the chunks as they are asked for; where it `is_cut`, the client goes away after them."""
    answer = RawAnswer()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "server": ("test", 80),
        "client": ("test", 1),
    }

    async def receive() -> dict[str, Any]:
        at, answer.chunks_read = answer.chunks_read, answer.chunks_read + 1
        if at < len(chunks):
            more = is_cut or at + 1 < len(chunks)
            return {"type": "http.request", "body": chunks[at], "more_body": more}
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.chunks_read_before_it = answer.chunks_read
        else:
            answer.body += message["body"]

    await app(scope, receive, send)
    return answer


@asynccontextmanager
async def open_intake(
    folder: Path, *, longest_queue: int | None = None, **given: Any
) -> AsyncIterator[Intake]:
    """A running receiver; settings are `given`. Nobody works on a queue that is to become full."""
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "id_secret": "a secret of sixteen",
            "inline_body_bytes": 1000,
            # A disk that others use too may take a second to sync: no test is about that.
            "publish_timeout_seconds": 5,
            "wait_seconds": 5,
            **given,
        }
    )
    limited = replace(WRITE_QUEUE, max_length=longest_queue or WRITE_QUEUE.max_length)
    broker = JournalBroker(folder / "journal.sqlite", [DEAD_LETTER_QUEUE, limited])
    store = LocalStore(folder / "store", timeout_seconds=10)
    catalog = Catalog(f"sqlite:///{folder}/catalog.sqlite", request_life_seconds=3600)
    parts = Parts(broker, catalog, store, needs_store=True)
    mint, ending = IdMint(settings.secret()), Ending()
    receiver = Receiver(settings, parts, store, mint, ending=ending, boot_id="boot")
    service = ReceiverService(receiver)
    app, _ = create_app([service], Metrics())
    await parts.start()
    await parts.wait_started()
    await service.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            intake = Intake(app, http, receiver, broker, store, parts)
            if longest_queue is None:
                await broker.consume(WRITE_QUEUE.name, intake.work, prefetch=10)
            yield intake
    finally:
        await service.drain(1)
        await parts.close()
