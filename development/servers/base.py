"""A private server: started, stopped, killed, frozen; gone with the program that started it.

What to run is in the subclasses, told as `Process`es so that a supervisor can run them as well.
"""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import psutil

from development.servers.folder import ServerFolder
from development.servers.process import Process, family, is_alive
from development.software import Software


class Server(ABC):
    """One private server. Its data, ports and credentials outlive `stop` and `kill`.

    As a context manager it is started on entry; on exit it is stopped, and a temporary folder
    is deleted.
    """

    name: ClassVar[str]
    software: ClassVar[Software]
    start_seconds: ClassVar[float] = 60

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is kept and may be opened again later; None makes a temporary one.

        Raises ServerMissingError when the software is not installed.
        """
        self.program = self.software.path()
        self.folder = ServerFolder(folder, self.name)
        self._running: list[tuple[Process, subprocess.Popen[bytes]]] = []

    @abstractmethod
    def prepare(self) -> None:
        """Write what the processes need to find in the folder; again changes nothing."""

    @abstractmethod
    def processes(self) -> list[Process]:
        """What to run, in the order of starting."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers its clients."""

    def start(self) -> None:
        """Start and wait until clients are answered.

        Raises RuntimeError with the end of the log when it ends early or takes too long.
        """
        if self._running:
            raise RuntimeError(f"{self.name} is already running")
        self.prepare()
        try:
            for process in self.processes():
                child = process.start(self.folder.path, self.folder.log)
                self._running.append((process, child))
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, within_seconds: float = 30) -> None:
        """Ask it to end and wait until it has; what is left after `within_seconds` is killed."""
        for process, child in reversed(self._running):
            if child.poll() is None:
                child.send_signal(process.stop_signal)
                try:
                    child.wait(within_seconds)
                except subprocess.TimeoutExpired:
                    break
        self.kill()

    def kill(self) -> None:
        """SIGKILL to every process of the server at once, as a crash would."""
        killed = self._signal_all(signal.SIGKILL)
        for _, child in self._running:
            child.wait()
        while any(is_alive(process) for process in killed):
            time.sleep(0.01)
        self._running.clear()

    def restart(self) -> None:
        """Stop and start again, on the same ports and data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self._signal_all(signal.SIGCONT)

    def pids(self) -> set[int]:
        """Every living process of the server, children included."""
        return {process.pid for process in self._family()}

    def log_tail(self, lines: int = 40) -> str:
        """The end of the server's log."""
        text = self.folder.log.read_text(errors="replace") if self.folder.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.folder.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing in a folder that goes away deserves a long goodbye; RabbitMQ's takes 6 s.
        self.stop(within_seconds=1 if self.folder.temporary else 30)
        self.folder.remove()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            ended = [process.name for process, child in self._running if child.poll() is not None]
            if ended or time.monotonic() > deadline:
                reason = f"{ended[0]} ended" if ended else f"not in {self.start_seconds} s"
                raise RuntimeError(f"{self.name} did not start: {reason}\n{self.log_tail()}")
            time.sleep(0.05)

    def _family(self) -> list[psutil.Process]:
        return family([child.pid for _, child in self._running])

    def _signal_all(self, number: signal.Signals) -> list[psutil.Process]:
        signalled = self._family()
        for process in signalled:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        return signalled
