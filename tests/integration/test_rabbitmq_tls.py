"""amqps:// addresses: TLS as the address asks for it, certificates checked."""

import asyncio
import contextlib
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sangraha.broker.protocol import Message
from sangraha.broker.rabbitmq import RabbitMQBroker
from sangraha.broker.topology import WRITE_QUEUE
from sangraha.errors import BrokerUnavailable

IN_TIME = 20.0


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    path = tmp_path / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (tmp_path / "key.pem").read_text())
    return path


@pytest.fixture
async def tls_url(rabbitmq_url: str, certificate: Path) -> AsyncIterator[str]:
    """RabbitMQ behind something that ends TLS, as a load balancer would."""
    address = urlsplit(rabbitmq_url)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(forward(reader, inner[1]), forward(inner[0], writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield address._replace(scheme="amqps", netloc=f"guest:guest@127.0.0.1:{port}").geturl()


async def test_a_broker_is_reached_over_tls(tls_url: str, certificate: Path) -> None:
    broker = RabbitMQBroker(f"{tls_url}?cafile={certificate}")
    try:
        await broker.start()
        await broker.wait_ready(IN_TIME)
        message = Message(body=bytes(1_000_000), message_id="m1")
        await broker.publish(WRITE_QUEUE.name, message, timeout_seconds=IN_TIME)
        assert await broker.depth(WRITE_QUEUE.name) == 1
    finally:
        await broker.close()


async def test_a_certificate_nobody_vouches_for_is_not_accepted(
    tls_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = RabbitMQBroker(tls_url)
    try:
        await broker.start()
        with pytest.raises(BrokerUnavailable, match="certificate verify failed"):
            await broker.wait_ready(1)
    finally:
        await broker.close()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([each for each in warnings if each.name == "sangraha.broker.rabbitmq"]) == 2
