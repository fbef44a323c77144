"""`python -m development.services`: everything starts, what dies comes back, Ctrl-C ends it all."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from development.servers.folder import free_port
from development.servers.process import family, is_alive
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("all_servers_installed")


class Services:
    """The command, running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        options = ["--folder", str(folder), "--port-base", str(self.port), "--orchestrators", "2"]
        self.command = [sys.executable, "-m", "development.services", *options]
        self.output = folder.with_suffix(".out")
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def part(self, *words: str) -> psutil.Process | None:
        """The child whose command has these words."""
        for child in psutil.Process(self.process.pid).children():
            # One that has just died has no command any more.
            with contextlib.suppress(psutil.NoSuchProcess):
                if set(words) <= set(child.cmdline()):
                    return child
        return None

    def family(self) -> list[psutil.Process]:
        return family([self.process.pid])

    def answers(self, path: str, offset: int) -> Callable[[], bool]:
        def ask() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{self.port + offset}{path}").is_success
            except httpx.HTTPError:
                return False

        return ask

    async def are_ready(self) -> None:
        for offset in range(4):
            ready = self.answers("/health/ready", offset)
            await eventually(ready, within_seconds=60, what=f"service {offset} is ready")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Services]:
    services = Services(folder)
    try:
        yield services
    finally:
        left = services.family()
        for process in left:
            process.kill()
        services.process.wait()


async def test_every_part_starts_and_one_that_is_killed_comes_back(tmp_path: Path) -> None:
    with running(tmp_path / "services") as services:
        await services.are_ready()
        assert httpx.post(
            f"http://127.0.0.1:{services.port}/objects", json={"data": [1]}
        ).is_success
        for words in (["getter"], ["epmd"], ["server"]):
            killed = services.part(*words)
            assert killed is not None
            killed.kill()

            def again(words: list[str] = words, pid: int = killed.pid) -> bool:
                part = services.part(*words)
                return part is not None and part.pid != pid

            await eventually(again, within_seconds=20, what=f"{words} is back")
        await services.are_ready()

        second = subprocess.run(services.command, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "already run" in second.stderr

        started = services.family()
        os.kill(services.process.pid, signal.SIGINT)
        services.process.wait(60)
        # A dead one stays a zombie until init gets round to it.
        await eventually(lambda: not any(map(is_alive, started)), what="nothing is left running")


async def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "services") as services:
        await eventually(lambda: services.part("getter"), within_seconds=30)
        started = services.family()
        assert len(started) > 8
        services.process.kill()
        services.process.wait()
        pids = [process.pid for process in started]
        await eventually(lambda: not family(pids), within_seconds=10)
