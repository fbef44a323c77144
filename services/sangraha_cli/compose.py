"""Composing services: the one place that knows every part and every service."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sangraha.broker.journal import JournalBroker
from sangraha.broker.protocol import Broker
from sangraha.broker.rabbitmq import RabbitMQBroker
from sangraha.catalog.catalog import Catalog
from sangraha.ending import Ending
from sangraha.errors import InvalidConfiguration
from sangraha.http.app import Service
from sangraha.http.routes import Service as ServiceName
from sangraha.ids import IdMint
from sangraha.metrics import Metrics
from sangraha.parts import Parts
from sangraha.settings import PREFIX, Settings
from sangraha.store.open import open_store
from sangraha.store.timed import TimedStore
from sangraha_getter.getter import Getter
from sangraha_getter.service import GetterService
from sangraha_orchestrator.service import OrchestratorService
from sangraha_receiver.receiver import Receiver
from sangraha_receiver.service import ReceiverService

ALL_SERVICES: tuple[ServiceName, ...] = ("receiver", "getter", "orchestrator")


@dataclass(frozen=True, slots=True)
class Composition:
    """The services of one process, and what they share."""

    services: Sequence[Service]
    parts: Parts
    metrics: Metrics
    ending: Ending


def compose(settings: Settings, names: Sequence[ServiceName]) -> Composition:
    """Make these services. Nothing is connected yet.

    Raises InvalidConfiguration for URLs nobody knows, and for an embedded broker in a process
    that runs only some of the services.
    """
    embedded = settings.broker.startswith("journal:")
    if embedded and set(names) != set(ALL_SERVICES):
        raise InvalidConfiguration(
            "the embedded broker serves one process only; set "
            f"{PREFIX}BROKER_URL to an amqp:// address, or use `sangraha run`"
        )
    metrics, ending = Metrics(), Ending()
    boot_id = uuid.uuid4().hex[:12]
    with _of_setting("BROKER_URL"):
        broker = open_broker(settings.broker, f"sangraha {'+'.join(names)} {settings.replica}")
    with _of_setting("STORE_URL"):
        store = open_store(settings.store, timeout_seconds=settings.store_timeout_seconds)
    with _of_setting("CATALOG_URL"):
        catalog = open_catalog(settings)
    mint = IdMint(settings.secret())
    timed = TimedStore(store, metrics)
    parts = Parts(broker, catalog, timed, needs_store="orchestrator" in names)
    services: list[Service] = []
    if "receiver" in names:
        receiver = Receiver(settings, parts, timed, mint, ending=ending, boot_id=boot_id)
        services.append(ReceiverService(receiver))
    if "getter" in names:
        services.append(GetterService(Getter(settings, broker, timed, mint, boot_id)))
    if "orchestrator" in names:
        worker_id = f"{settings.replica}.{boot_id}"
        services.append(
            OrchestratorService(settings, parts, timed, metrics, worker_id, sole=embedded)
        )
    return Composition(services, parts, metrics, ending)


def open_broker(url: str, name: str) -> Broker:
    """The broker of this URL. Raises InvalidConfiguration for a scheme nobody knows."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidConfiguration("the broker's URL cannot be read") from error
    if parts.scheme == "journal":
        path = unquote(parts.path)
        if parts.netloc or not path.strip("/"):
            raise InvalidConfiguration(
                "a journal's URL has three slashes and an absolute path: journal:///folder/file"
            )
        return JournalBroker(Path(path))
    if parts.scheme in ("amqp", "amqps"):
        return RabbitMQBroker(url, name=name)
    raise InvalidConfiguration("the broker's URL must start with journal:, amqp: or amqps:")


def open_catalog(settings: Settings) -> Catalog:
    """The catalog of these settings, not connected yet. Raises InvalidConfiguration."""
    return Catalog(
        settings.catalog,
        request_life_seconds=settings.request_life_seconds,
        timeout_seconds=settings.catalog_timeout_seconds,
    )


@contextmanager
def _of_setting(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"{PREFIX}{name}: {error.detail}") from error
