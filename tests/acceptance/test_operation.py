"""Sangraha as those who run it see it: start, end, health, metrics, workers, logs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from development.servers import PostgresServer
from development.servers.folder import free_port
from development.servers.process import is_alive
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.sangraha_server import SangrahaServer
from tests.waiting import eventually

FRAMEWORKS = "import fastapi, sqlalchemy.ext.asyncio"
READY_RATIO = 3.0


async def test_one_request_id_finds_the_whole_way_of_a_request(
    shared_client: Client, shared_deployment: Deployment
) -> None:
    headers = {"X-Correlation-ID": "order-42", "X-Request-ID": "mine-7"}
    written = await shared_client.create("json", b'{"a": 1}', headers=headers)
    assert written.headers["x-correlation-id"] == "order-42"
    assert written.headers["x-request-id"] == "mine-7"
    request_id = written.json()["request_id"]

    def way() -> list[str] | None:
        lines = [
            line for line in shared_deployment.log_lines() if line.get("request_id") == request_id
        ]
        assert all(line["correlation_id"] == "order-42" for line in lines)
        loggers = [line["logger"] for line in lines]
        wanted = {"sangraha.http.exchange", "sangraha_orchestrator.writes"}
        return loggers if wanted <= set(loggers) else None

    await eventually(way)
    (exchange,) = [
        line
        for line in shared_deployment.log_lines()
        if line.get("exchange_id") == "mine-7" and line["logger"] == "sangraha.http.exchange"
    ]
    assert exchange["request_id"] == request_id
    assert exchange["status"] == 201


async def test_one_request_id_finds_the_whole_way_of_a_read(
    shared_client: Client, shared_deployment: Deployment
) -> None:
    object_id = (await shared_client.create("json", b"1")).json()["object_id"]
    headers = {"X-Correlation-ID": "order-43", "X-Request-ID": "mine-8"}
    assert (await shared_client.read(object_id, headers)).status_code == 200

    def lines(logger: str) -> list[dict[str, Any]]:
        return [
            line
            for line in shared_deployment.log_lines()
            if line["logger"] == logger and line.get("correlation_id") == "order-43"
        ]

    (read,) = await eventually(lambda: lines("sangraha_orchestrator.reads"))
    (exchange,) = await eventually(lambda: lines("sangraha.http.exchange"))
    assert exchange["exchange_id"] == "mine-8"
    assert exchange["request_id"] == read["request_id"]
    assert read["request_id"] != object_id


async def test_health_and_metrics_of_every_service(client: Client, deployment: Deployment) -> None:
    await client.create("json", b"1")
    await client.create("pdf", b"no")
    pages = {}
    for service, server in deployment.servers.items():
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.get("/health/ready")).status_code == 200
            parts = (await http.get("/health")).json()["parts"]
            assert set(parts.values()) == {"ok"}
            pages[service] = (await http.get("/metrics")).text
    assert 'http_requests_total{route="create_json",status="201"} 1.0' in pages["receiver"]
    assert 'http_requests_total{route="create_pdf",status="415"} 1.0' in pages["receiver"]
    assert 'write_outcomes_total{outcome="done"} 1.0' in pages["orchestrator"]
    assert 'write_outcomes_total{outcome="rejected"} 1.0' in pages["orchestrator"]
    assert 'queue_seconds_count{queue="object_write_queue"} 2.0' in pages["orchestrator"]
    assert 'group_requests_sum{queue="object_write_queue"} 2.0' in pages["orchestrator"]
    # The object's, and that of the mark which says whose store it is.
    assert 'store_seconds_count{operation="put",result="ok"} 2.0' in pages["orchestrator"]


def run_command(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if "SANGRAHA" not in name}
    return subprocess.Popen(
        [sys.executable, "-m", "sangraha_cli", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_command_is_ready_soon_prints_a_curl_line_that_works_and_ends_on_ctrl_c(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    # Not by the clock, but beside what cannot be spared: tests share the machine with others.
    beside = cpu_seconds(FRAMEWORKS)
    process = run_command(tmp_path, "run", "--port", port)
    try:
        assert f"ready at http://127.0.0.1:{port}" in first_line(process)
        spent = psutil.Process(process.pid).cpu_times()
        curl = first_line(process).strip()
        answer = subprocess.run(
            f"{curl} -s", shell=True, capture_output=True, text=True, check=True
        )
        assert json.loads(answer.stdout)["type"] == "json"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert not [child for child in children if is_alive(child)]
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "data").is_dir()
    beside = max(beside, cpu_seconds(FRAMEWORKS))
    assert spent.user + spent.system < READY_RATIO * beside


def cpu_seconds(program: str) -> float:
    """The processor time that a Python program takes."""
    before = os.times()
    subprocess.run([sys.executable, "-c", program], check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def test_a_second_one_says_that_the_folder_is_in_use_or_else_that_the_port_is(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    process = run_command(tmp_path, "run", "--port", port)
    try:
        first_line(process)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for folder, complaint in (
            (tmp_path, f"the folder {tmp_path / 'data'} is in use"),
            (elsewhere, f"cannot listen on 127.0.0.1:{port}"),
        ):
            again = run_command(folder, "run", "--port", port)
            out, err = again.communicate(timeout=20)
            assert again.returncode == 2
            assert out == ""
            assert complaint in err
            assert "Traceback" not in err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "settings", "complaint"),
    [
        (["run"], {"SANGRAHA_PORT": "x"}, "SANGRAHA_PORT"),
        (["run"], {"SANGRAHA_STORE_URL": "ftp://x"}, "SANGRAHA_STORE_URL"),
        (["run"], {"SANGRAHA_BROKER_URL": "redis://x"}, "SANGRAHA_BROKER_URL"),
        (["run"], {"SANGRAHA_CATALOG_URL": "mysql://x"}, "SANGRAHA_CATALOG_URL"),
        (["receiver"], {}, "sangraha run"),
        (["receiver"], {"SANGRAHA_BROKER_URL": "amqp://127.0.0.1:1/"}, "SANGRAHA_ID_SECRET"),
        (["run", "--host", "203.0.113.7"], {}, "cannot listen"),
    ],
)
def test_what_cannot_work_is_said_and_ends_the_process(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], complaint: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sangraha_cli", *arguments],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


async def test_services_start_before_their_servers_and_become_ready_when_they_come(
    own_postgres_server: PostgresServer, rabbitmq_url: str, minio_store_url: str
) -> None:
    catalog_url = own_postgres_server.new_database()
    await asyncio.to_thread(own_postgres_server.stop)
    settings = {
        "SANGRAHA_BROKER_URL": rabbitmq_url,
        "SANGRAHA_STORE_URL": minio_store_url,
        "SANGRAHA_CATALOG_URL": catalog_url,
        "SANGRAHA_ID_SECRET": "a secret of tests",
    }
    orchestrator = SangrahaServer("orchestrator", settings, until="live")
    with orchestrator:
        async with httpx.AsyncClient(base_url=orchestrator.url) as http:
            ready = await http.get("/health/ready")
            assert ready.status_code == 503
            parts = ready.json()["parts"]
            assert parts["broker"] == "ok"
            assert parts["catalog"] != "ok"
            await asyncio.to_thread(own_postgres_server.start)

            async def is_ready() -> bool:
                return (await http.get("/health/ready")).status_code == 200

            await eventually(is_ready, within_seconds=20)


async def test_workers_are_listed_and_a_lost_one_is_shown_as_lost(
    rabbitmq_url: str, minio_store_url: str, postgres_url: str
) -> None:
    deployment = Deployment.services(
        rabbitmq_url,
        minio_store_url,
        postgres_url,
        SANGRAHA_BEAT_SECONDS="0.2",
        SANGRAHA_WORKER_LOST_SECONDS="2",
    )
    async with deployment.running() as client:
        first = deployment.servers["orchestrator"]
        second = first.another("second")

        async def workers(*states: str) -> Any:
            listed = (await client.call("list_workers")).json()["workers"]
            return listed if sorted(one["state"] for one in listed) == sorted(states) else None

        with second:
            await eventually(lambda: workers("alive", "alive"))
            for _ in range(20):
                assert (await client.create("json", b"1")).status_code == 201

            async def all_done() -> Any:
                listed = await workers("alive", "alive")
                return listed if sum(one["done"] for one in listed or []) >= 20 else None

            listed = await eventually(all_done)
            assert all(one["host"] and one["age_seconds"] < 2 for one in listed)
            assert all(one["in_flight"] == 0 for one in listed)
            second.kill()
            await eventually(lambda: workers("alive", "lost"))
        third = first.another("third")
        with third:
            await eventually(lambda: workers("alive", "alive", "lost"))
        # One that ends on purpose signs off.
        await eventually(lambda: workers("alive", "lost"))
