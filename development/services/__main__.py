"""`make services`: private servers and Sangraha's services under supervisord, in the foreground.

Data, logs, ports and secrets are kept in a folder, so they survive from one time to the next.
"""

import argparse
import fcntl
import os
import socket
import sys
from pathlib import Path

from development.servers import (
    MinioServer,
    PostgresServer,
    RabbitmqServer,
    ServerMissingError,
)
from development.servers.folder import ServerFolder
from development.services.part import Part, configuration, service

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "sangraha"
DATABASE = "sangraha"


def main() -> None:
    """Prepare the folder, tell the addresses, become supervisord."""
    arguments = argparse.ArgumentParser(prog="python -m development.services", description=__doc__)
    arguments.add_argument("--folder", type=Path, default=ROOT / ".cache" / "services")
    arguments.add_argument("--port-base", type=int, default=8000, help="the receiver's port")
    arguments.add_argument("--orchestrators", type=int, default=1, help="how many to run")
    chosen = arguments.parse_args()
    folder = chosen.folder.resolve()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    _lock(folder)
    try:
        parts = _parts(folder, chosen.port_base, max(1, chosen.orchestrators))
    except ServerMissingError as missing:
        sys.exit(str(missing))
    written = folder / "supervisord.conf"
    written.touch(mode=0o600)
    written.write_text(configuration(parts, folder, ROOT))
    _tell(parts, folder)
    os.execv(sys.executable, [sys.executable, "-m", "supervisor.supervisord", "-c", str(written)])


def _lock(folder: Path) -> None:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"The services already run in {folder}; end those first.")
    # supervisord takes it over by the exec below, and closes it in what it starts.
    os.set_inheritable(lock, True)


def _parts(folder: Path, port_base: int, orchestrators: int) -> list[Part]:
    data = folder / "data"
    rabbitmq = RabbitmqServer(data / "rabbitmq")
    minio = MinioServer(data / "minio")
    postgres = PostgresServer(data / "postgres")
    ports = range(port_base, port_base + 2 + orchestrators)
    _refuse_taken_ports([*ports, rabbitmq.amqp_port, minio.port, postgres.port])
    rabbitmq.prepare()
    minio.prepare()
    with postgres:
        catalog_url = postgres.ensure_database(DATABASE)
    settings = {
        "SANGRAHA_BROKER_URL": rabbitmq.url(),
        "SANGRAHA_STORE_URL": minio.store_url(BUCKET),
        "SANGRAHA_CATALOG_URL": catalog_url,
        "SANGRAHA_ID_SECRET": ServerFolder(data / "services", "services").secret("id_secret"),
    }
    epmd, node = rabbitmq.processes()
    (storage,) = minio.processes()
    (database,) = postgres.processes()
    management = f"{rabbitmq.management_url} (guest, guest)"
    parts = [
        Part("names", epmd),
        Part("servers", node, f"amqp://127.0.0.1:{rabbitmq.amqp_port} {management}"),
        Part("servers", storage, minio.endpoint),
        Part("servers", database, f"postgresql://127.0.0.1:{postgres.port}/{DATABASE}"),
    ]
    for number, port in enumerate(ports[2:], start=1):
        name = "orchestrator" if number == 1 else f"orchestrator-{number}"
        parts.append(service("orchestrator", name, port, settings, stage="workers"))
    for command, port in zip(("receiver", "getter"), ports, strict=False):
        parts.append(service(command, command, port, settings, stage="doors"))
    return parts


def _refuse_taken_ports(ports: list[int]) -> None:
    for port in ports:
        with socket.socket() as probe:
            # Old connections may linger on the port; another listener may not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                sys.exit(f"Port {port} is taken by another program; PORT_BASE=… moves the three.")


def _tell(parts: list[Part], folder: Path) -> None:
    print("Each part is a process of its own; one that dies is started again. Ctrl-C ends all.")
    for part in reversed(parts):
        if part.address:
            print(f"  {part.process.name:<15} {part.address}")
    print(f"  {'logs':<15} {folder / 'logs'}", flush=True)


main()
