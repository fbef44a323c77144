"""The private servers that other tests rely on: really dead when killed, nothing left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiormq
import asyncpg
import httpx
import psutil
import pytest

from development.servers import MinioServer, PostgresServer, RabbitmqServer, Server
from development.servers.process import family, is_alive
from tests.waiting import eventually


def processes_below(folder: Path) -> set[int]:
    """Whoever runs with this folder in its command or environment, daemons that left included."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            known = [*process.cmdline(), *process.environ().values()]
            if is_alive(process) and any(str(folder) in text for text in known):
                found.add(process.pid)
    return found


def living(pids: set[int]) -> set[int]:
    return {process.pid for process in family(list(pids))}


@pytest.mark.parametrize("kind", ["rabbitmq", "minio", "postgres"])
def test_a_killed_server_is_dead_at_once_and_a_stopped_one_leaves_no_process(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(f"own_{kind}_server")
    first = server.pids() | processes_below(server.folder.path)
    server.kill()
    assert living(first) == set()
    assert not server.is_ready()

    server.start()
    second = server.pids() | processes_below(server.folder.path)
    assert second
    assert server.is_ready()
    server.stop(within_seconds=1)
    assert living(second) == set()
    assert processes_below(server.folder.path) == set()
    assert not server.is_ready()


def test_rabbitmq_keeps_its_port_and_queues_through_a_restart(
    own_rabbitmq_server: RabbitmqServer,
) -> None:
    url = own_rabbitmq_server.new_vhost()
    vhost = url.rpartition("/")[2]
    own_rabbitmq_server.manage("PUT", f"/api/queues/{vhost}/kept", {"durable": True})
    # Not by a crash: RabbitMQ 3.x may forget what was declared in the last moment before one.
    own_rabbitmq_server.restart()
    assert own_rabbitmq_server.url(vhost) == url
    assert own_rabbitmq_server.manage("GET", f"/api/queues/{vhost}/kept")["durable"]


async def test_postgres_keeps_its_rows_through_a_crash(own_postgres_server: PostgresServer) -> None:
    url = own_postgres_server.new_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
    own_postgres_server.kill()
    await connection.close(timeout=1)
    own_postgres_server.start()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT value FROM kept") == 7
    await connection.close()


def test_a_frozen_server_keeps_connections_and_answers_nothing_until_it_thaws(
    own_minio_server: MinioServer,
) -> None:
    address = f"{own_minio_server.endpoint}/minio/health/live"
    with httpx.Client(timeout=0.3) as client:
        assert client.get(address).is_success
        own_minio_server.freeze()
        with pytest.raises(httpx.ReadTimeout):
            client.get(address)
        own_minio_server.thaw()
        assert client.get(address, timeout=10).is_success


async def test_closing_connections_closes_every_clients_connection(
    own_rabbitmq_server: RabbitmqServer,
) -> None:
    connection = await aiormq.connect(own_rabbitmq_server.url())
    own_rabbitmq_server.close_connections()
    await eventually(lambda: connection.is_closed, within_seconds=5)


async def test_servers_die_with_the_process_that_started_them(
    tmp_path: Path, minio_server: MinioServer
) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from development.servers import MinioServer\n"
        f"server = MinioServer(Path({str(tmp_path)!r}))\n"
        "server.start()\n"
        "print(*server.pids(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        started = {int(pid) for pid in parent.stdout.readline().split()}
        assert living(started) == started
        os.kill(parent.pid, signal.SIGKILL)
    await eventually(lambda: not living(started), within_seconds=5)


def test_a_server_opened_again_on_its_folder_has_the_same_address_and_secrets(
    tmp_path: Path, minio_server: MinioServer
) -> None:
    address = MinioServer(tmp_path / "kept").store_url("bucket")
    assert MinioServer(tmp_path / "kept").store_url("bucket") == address
    assert MinioServer(tmp_path / "other").store_url("bucket") != address
