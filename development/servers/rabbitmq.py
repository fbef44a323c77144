"""A private RabbitMQ node with the management plugin, and an epmd that no other node shares.

Not a cluster: quorum queues have one member, which keeps their rules and their durability.
"""

import os
import secrets
import socket
import subprocess
from typing import Any
from urllib.parse import quote

import httpx

from development.servers.base import Server
from development.servers.process import Process
from development.software import RABBITMQ

NODE = "sangraha@localhost"

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
heartbeat = 10
raft.wal_max_size_bytes = 33554432
collect_statistics_interval = 1000
log.console = true
log.console.use_colors = off
log.file = false
"""


class RabbitmqServer(Server):
    name = "rabbitmq"
    software = RABBITMQ

    @property
    def amqp_port(self) -> int:
        return self.folder.port("amqp")

    @property
    def management_url(self) -> str:
        """The management plugin's address, without credentials (guest, guest)."""
        return f"http://127.0.0.1:{self.folder.port('management')}"

    def url(self, vhost: str = "/") -> str:
        """The AMQP address of a virtual host (RabbitMQ URI specification)."""
        return f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/{quote(vhost, safe='')}"

    def new_vhost(self) -> str:
        """Make a virtual host and return its AMQP address."""
        vhost = f"test-{secrets.token_hex(6)}"
        self.manage("PUT", f"/api/vhosts/{vhost}")
        return self.url(vhost)

    def close_connections(self) -> None:
        """Close every client's connection, as an operator would; they see CONNECTION_FORCED."""
        self.control("close_all_connections", "--global", "closed by a test")

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl against the node and return what it prints.

        Raises subprocess.CalledProcessError when it fails.
        """
        return subprocess.run(
            [str(self.program.with_name("rabbitmqctl")), "-q", "-n", NODE, *arguments],
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    def manage(self, method: str, path: str, json: Any = None) -> Any:
        """Call the management API and return its answer, None when that is empty.

        Raises httpx.HTTPStatusError when it refuses; 404 to a DELETE counts as done.
        """
        with httpx.Client(auth=("guest", "guest"), timeout=30) as client:
            response = client.request(method, self.management_url + path, json=json)
        if not (method == "DELETE" and response.status_code == 404):
            response.raise_for_status()
        return response.json() if response.content else None

    def prepare(self) -> None:
        path = self.folder.path
        # Erlang reads the cookie that a node shares with its tools from HOME, and refuses one
        # that others may read.
        cookie = path / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(self.folder.secret("cookie"))
            cookie.chmod(0o400)
        ports = {name: self.folder.port(name) for name in ("amqp", "management")}
        (path / "rabbitmq.conf").write_text(CONFIGURATION.format(**ports))
        (path / "enabled_plugins").write_text("[rabbitmq_management].\n")

    def processes(self) -> list[Process]:
        epmd = ["epmd", "-address", "127.0.0.1", "-port", self._environment["ERL_EPMD_PORT"]]
        return [
            Process("epmd", epmd),
            Process("rabbitmq", [str(self.program)], self._environment),
        ]

    def is_ready(self) -> bool:
        # The port opens while the node still boots: ready is who answers the protocol's greeting
        # with a method frame (AMQP 0-9-1, 4.2.2) and manages virtual hosts.
        try:
            with socket.create_connection(("127.0.0.1", self.amqp_port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                greeted = connection.recv(1) == b"\x01"
            self.manage("GET", "/api/vhosts")
        except (OSError, httpx.HTTPError):
            return False
        return greeted

    @property
    def _environment(self) -> dict[str, str]:
        path = self.folder.path
        return {
            "HOME": str(path),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.folder.port("epmd")),
            "RABBITMQ_CONF_ENV_FILE": str(path / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(path / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(path / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(path / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(path / "data"),
            "RABBITMQ_LOG_BASE": str(path / "log"),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_DIST_PORT": str(self.folder.port("distribution")),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            # Makes the script replace itself by the node instead of watching over it: one
            # process to signal, and none that outlives the other.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
