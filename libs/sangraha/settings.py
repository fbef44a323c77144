"""Every setting, as data with a help text each; nothing is read before `load_settings`.

A setting NAME is read from SANGRAHA_NAME, or from the file that SANGRAHA_NAME_FILE names (for
secrets). docs/settings.md is generated from this file by `sangraha settings`.
"""

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from sangraha.errors import InvalidConfiguration
from sangraha.ids import MIN_SECRET_BYTES

PREFIX = "SANGRAHA_"
MAX_WAIT_SECONDS = 60
MAX_SECONDS = 10 * 365 * 24 * 3600
MAX_BODY_BYTES = 78 * 1024**3
"""S3 takes a body in at most 10,000 parts, and each is 8 MiB here."""

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Settings(BaseSettings):
    """What a deployment may choose. Durations are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(
        Path("data"),
        description="The folder of the embedded broker, store and catalog, and of the id secret.",
    )
    broker_url: SecretStr = Field(
        SecretStr(""),
        description="`journal:///path` or `amqp://…`; a journal in the data folder if empty.",
    )
    store_url: SecretStr = Field(
        SecretStr(""),
        description="`file:///path`, `memory://` or `s3://bucket?endpoint=…`; "
        "a folder in the data folder if empty.",
    )
    catalog_url: SecretStr = Field(
        SecretStr(""),
        description="`sqlite:///path` or `postgresql://…`; a file in the data folder if empty.",
    )
    id_secret: SecretStr = Field(
        SecretStr(""),
        description="At least 16 characters, the same for every replica: keys the check in ids. "
        "Where everything is embedded it is made and kept in the data folder if empty.",
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 picks one.")
    replica: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The replica's name in queues, logs and `GET /workers`; the host's if unset.",
    )
    max_body_bytes: int = Field(
        64 * 1024**3,
        ge=1,
        le=MAX_BODY_BYTES,
        description="The largest object that is taken; more is refused with 413.",
    )
    inline_body_bytes: int = Field(
        256 * 1024,
        ge=0,
        le=8 * 1024 * 1024,
        description="Bodies up to this size travel inside messages, and are taken while the store "
        "is away; larger ones stream to the store first, and the message says where they are.",
    )
    stream_concurrency: int = Field(
        8,
        ge=1,
        le=1000,
        description="Large bodies that a receiver streams to the store at a time, each in about "
        "50 MB of memory, or less than 1 MB where a `PUT` tells the length; more have to wait for "
        "their turn, and are refused with 503 if it does not come.",
    )
    writes_in_flight: int = Field(
        1000,
        ge=1,
        description="Requests that write which a receiver works on at a time; more are refused "
        "with 503.",
    )
    write_bytes_in_flight: int = Field(
        128 * 1024 * 1024,
        ge=1024 * 1024,
        description="The bytes that these may have in memory: bodies that travel inside messages, "
        "forms and documents. Counted once; copies on their way to the queue come on top.",
    )
    reads_in_flight: int = Field(
        1000,
        ge=1,
        description="Requests that read which a getter works on at a time, downloads until their "
        "last byte included; more are refused with 503.",
    )
    cors_origins: list[str] = Field(
        [],
        description="The web pages that may use the interface from a browser, as a JSON list of "
        'origins such as `["https://app.example"]`; `["*"]` allows all, an empty list none.',
    )
    sweep_interval_seconds: Seconds = Field(
        6 * 3600,
        ge=0,
        description="How often orchestrators sweep the store for what nothing refers to; 0 never.",
    )
    sweep_released_seconds: Seconds = Field(
        3600,
        ge=0,
        description="How long the body of a deleted object stays, for those who are reading it.",
    )
    wait_seconds: Seconds = Field(
        10,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="How long a write waits for its outcome before it is answered 202.",
    )
    publish_timeout_seconds: Seconds = Field(
        10, gt=0, description="How long a request may take to be confirmed by the broker."
    )
    read_timeout_seconds: Seconds = Field(
        10, gt=0, description="The deadline of a read; past it the answer is 503."
    )
    request_life_seconds: Seconds = Field(
        7 * 24 * 3600,
        gt=60,
        le=MAX_SECONDS,
        description="The longest life of an accepted request: older ones are not committed, and "
        "their ids are no longer reported as accepted.",
    )
    write_concurrency: int = Field(
        16, ge=1, le=1000, description="Write groups an orchestrator works on at a time."
    )
    read_concurrency: int = Field(
        16, ge=1, le=1000, description="Read groups an orchestrator works on at a time."
    )
    hold_seconds: Seconds = Field(
        1200,
        gt=0,
        le=1500,
        description="How long an orchestrator holds writes while store or catalog are away "
        "before it gives them back to the queue; well below RabbitMQ's consumer timeout of 1800.",
    )
    store_timeout_seconds: Seconds = Field(
        10, gt=0, description="The longest one attempt at the store may take."
    )
    catalog_timeout_seconds: Seconds = Field(
        10, gt=0, description="The longest one statement of the catalog may take."
    )
    beat_seconds: Seconds = Field(30, gt=0, description="How often an orchestrator says it lives.")
    worker_lost_seconds: Seconds = Field(
        90, gt=0, description="An orchestrator that is silent for this long is shown as lost."
    )
    drain_seconds: Seconds = Field(
        0,
        ge=0,
        le=3600,
        description="How long a service goes on accepting after SIGTERM while it is unready.",
    )
    shutdown_grace_seconds: Seconds = Field(
        30,
        gt=0,
        le=3600,
        description="How long a stopping service may take to finish what it has; after half of it "
        "those who wait for an outcome are told where to look for it.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log lines to write."
    )

    @property
    def broker(self) -> str:
        """The broker's URL, the embedded one if none is set."""
        return self.broker_url.get_secret_value() or f"journal://{self._place('journal.sqlite')}"

    @property
    def store(self) -> str:
        """The store's URL, the embedded one if none is set."""
        return self.store_url.get_secret_value() or f"file://{self._place('store')}"

    @property
    def catalog(self) -> str:
        """The catalog's URL, the embedded one if none is set."""
        return self.catalog_url.get_secret_value() or f"sqlite:///{self._place('catalog.sqlite')}"

    @property
    def _data(self) -> Path:
        return self.data_dir.absolute()

    def _place(self, name: str) -> str:
        """A path in the data folder as it stands in a URL."""
        return quote(str(self._data / name))

    def secret(self) -> bytes:
        """The id secret; made and kept in the data folder where the broker is embedded.

        Raises InvalidConfiguration where replicas must share one and none is set, or it is short.
        """
        given = self.id_secret.get_secret_value()
        if given:
            if len(given.encode()) < MIN_SECRET_BYTES:
                raise InvalidConfiguration(
                    f"{PREFIX}ID_SECRET must have at least {MIN_SECRET_BYTES} characters"
                )
            return given.encode()
        if not self.broker.startswith("journal:"):
            raise InvalidConfiguration(
                f"set {PREFIX}ID_SECRET (or {PREFIX}ID_SECRET_FILE): every replica needs the same"
            )
        return _kept_secret(self._data / "id-secret")


class _FileSource(EnvSettingsSource):
    """Values from the files that SANGRAHA_NAME_FILE variables name, as Swarm secrets are."""

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in self.settings_cls.model_fields:
            variable = f"{PREFIX}{name.upper()}_FILE"
            if path := os.environ.get(variable):
                try:
                    values[name] = Path(path).read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise InvalidConfiguration(f"{variable}: {error}") from error
        return values


class _Sources(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process: overrides, then the environment, then files.

    Raises InvalidConfiguration with a sentence for each value that cannot be used.
    """
    try:
        return _Sources(**overrides)
    except ValidationError as error:
        complaints = "; ".join(
            f"{PREFIX}{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise InvalidConfiguration(complaints) from None


def _kept_secret(path: Path) -> bytes:
    """The secret in this file; made once, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(secrets.token_hex(32).encode())
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(fresh, path)
            finally:
                fresh.unlink()
        kept = path.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"the data folder cannot be used: {error}") from error
    if len(kept) < MIN_SECRET_BYTES:
        raise InvalidConfiguration(f"{path} is damaged: it has {len(kept)} bytes")
    return kept
