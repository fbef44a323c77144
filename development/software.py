"""The software that tests and `make services` need: where it is and how to get it.

The standard library alone, so that it can be asked before anything is installed.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MINIO_PACKAGE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"


class ServerMissingError(RuntimeError):
    """The software is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Software:
    """A server or a client program: `package` is its Debian package, None where there is none."""

    name: str
    package: str | None
    install: str
    find: Callable[[], Path | None]

    def path(self) -> Path:
        """Its program, or the folder of its programs. Raises ServerMissingError."""
        path = self.find()
        if path is None:
            raise ServerMissingError(f"{self.name} is not installed: {self.install}")
        return path


def tools_folder() -> Path:
    """Where built tools are kept: $SANGRAHA_TOOLS, by default in the user's cache."""
    return Path(os.environ.get("SANGRAHA_TOOLS") or "~/.cache/sangraha/bin").expanduser()


def _rabbitmq_script() -> Path | None:
    # The script of that name on PATH switches to the rabbitmq user; the real one does not.
    scripts = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server")
    return max(scripts, default=None) if shutil.which("epmd") else None


def _postgres_folder() -> Path | None:
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    servers = [folder for folder in folders if (folder / "initdb").exists()]
    return max(servers, key=lambda folder: int(folder.parent.name), default=None)


def _minio_binary() -> Path | None:
    found = shutil.which("minio", path=tools_folder()) or shutil.which("minio")
    return Path(found) if found else None


RABBITMQ = Software(
    "RabbitMQ",
    "rabbitmq-server",
    "apt-get install --no-install-recommends rabbitmq-server",
    _rabbitmq_script,
)
POSTGRES = Software(
    "PostgreSQL",
    "postgresql",
    "apt-get install --no-install-recommends postgresql",
    _postgres_folder,
)
MINIO = Software("MinIO", None, f"GOBIN={tools_folder()} go install {MINIO_PACKAGE}", _minio_binary)
SERVERS = (RABBITMQ, POSTGRES, MINIO)


def _client(program: str, package: str) -> Software:
    return Software(
        program,
        package,
        f"apt-get install --no-install-recommends {package}",
        lambda: Path(found) if (found := shutil.which(program)) else None,
    )


CURL = _client("curl", "curl")
WGET = _client("wget", "wget")
ARIA2 = _client("aria2c", "aria2")
CHROMIUM = _client("chromium", "chromium")
CLIENTS = (CURL, WGET, ARIA2, CHROMIUM)
"""Other people's programs, which the acceptance tests use as their users do."""

ALL = (*SERVERS, *CLIENTS)
