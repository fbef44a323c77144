"""The folder of one private server: its data, its log, and the ports and secrets it was given.

They are chosen once and kept, so whoever opens the folder again finds the same server.
"""

import json
import random
import secrets
import shutil
import socket
import tempfile
from pathlib import Path


class ServerFolder:
    """`path` None makes a temporary folder, which `remove` deletes; a given one is kept."""

    def __init__(self, path: Path | None, name: str) -> None:
        self.temporary = path is None
        self.path = (path or Path(tempfile.mkdtemp(prefix=f"sangraha-{name}-"))).resolve()
        self.path.mkdir(parents=True, exist_ok=True)
        self.log = self.path / f"{name}.log"
        self._kept = self.path / "server.json"
        self._values: dict[str, str] = (
            json.loads(self._kept.read_text()) if self._kept.exists() else {}
        )

    def port(self, name: str) -> int:
        """A loopback port that was free when it was first asked for."""
        if name not in self._values:
            self._keep(name, str(free_port()))
        return int(self._values[name])

    def secret(self, name: str) -> str:
        """A random text of letters and digits."""
        if name not in self._values:
            self._keep(name, secrets.token_hex(16))
        return self._values[name]

    def remove(self) -> None:
        """Delete the folder if it is a temporary one."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)

    def _keep(self, name: str, value: str) -> None:
        self._values[name] = value
        self._kept.touch(mode=0o600)
        self._kept.write_text(json.dumps(self._values, indent=1))


def free_port() -> int:
    """A free TCP port on 127.0.0.1, below the range that outgoing connections are given.

    A port from that range could be taken by some client while its server is down.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
