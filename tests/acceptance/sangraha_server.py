"""Sangraha's own processes, started as users start them and broken as any other server."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx
import psutil

from development.servers.base import Server
from development.servers.process import Process
from development.software import Software


class SangrahaServer(Server):
    """One `sangraha` process: a service, or with "run" all of them.

    `environment` are its settings. It counts as started once /health/ready says so, or with
    `until="live"` once it answers at all.
    """

    name: ClassVar[str] = "sangraha"
    software: ClassVar[Software] = Software(
        "Sangraha", None, "make test", lambda: Path(sys.executable)
    )
    start_seconds: ClassVar[float] = 30

    def __init__(
        self,
        command: str,
        environment: Mapping[str, str],
        folder: Path | None = None,
        *,
        until: str = "ready",
    ) -> None:
        super().__init__(folder)
        self._command = command
        self._environment = dict(environment)
        self._until = until

    def another(self, replica: str) -> "SangrahaServer":
        """One more of the same service, under another name, in a folder of its own."""
        return self.with_settings(SANGRAHA_REPLICA=replica)

    def with_settings(self, **settings: str) -> "SangrahaServer":
        """The same service with other settings, in a folder of its own."""
        return SangrahaServer(self._command, {**self._environment, **settings})

    @property
    def url(self) -> str:
        """The address it listens on."""
        return f"http://127.0.0.1:{self.folder.port('http')}"

    @property
    def log(self) -> str:
        """All it has written to standard output and error."""
        return self.folder.log.read_text()

    def terminate(self) -> None:
        """SIGTERM, without waiting for what comes of it; may be sent again, unlike `stop`."""
        for process, child in self._running:
            child.send_signal(process.stop_signal)

    def ended(self, within_seconds: float) -> int:
        """Its exit code, once it has ended. Raises subprocess.TimeoutExpired past the time."""
        ((_, child),) = self._running
        code = child.wait(within_seconds)
        self.kill()
        return code

    def connections(self) -> int:
        """How many of its clients' connections it has taken."""
        (pid,) = self.pids()
        port = self.folder.port("http")
        return sum(
            one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in psutil.Process(pid).net_connections("tcp")
        )

    def prepare(self) -> None:
        """It makes what it needs itself."""

    def processes(self) -> list[Process]:
        inherited = {name: "" for name in os.environ if name.startswith("SANGRAHA_")}
        settings = {
            "SANGRAHA_PORT": str(self.folder.port("http")),
            "SANGRAHA_DATA_DIR": str(self.folder.path / "data"),
            **self._environment,
        }
        command = [str(self.program), "-m", "sangraha_cli", self._command]
        return [Process(self._command, command, {**inherited, **settings}, signal.SIGTERM)]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/{self._until}", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False
