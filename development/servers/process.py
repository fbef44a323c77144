"""One process of a private server: how to run it, and how to tie it to who runs it."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# The kernel sends the death signal when the *thread* that started a process ends, so all are
# started by one thread that lives as long as the program.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


@dataclass(frozen=True, slots=True)
class Process:
    """Everything that is needed to run it in the foreground."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM

    def tied_command(self) -> list[str]:
        """The command, killed by the kernel when the thread that started it ends."""
        setpriv = ["setpriv", "--pdeathsig", "KILL"]
        if self.command[0] == "setpriv":
            return [*setpriv, *self.command[1:]]
        return [*setpriv, "--", *self.command]

    def start(self, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own; it dies with this program at the latest."""
        return _starter.submit(self._start, folder, log).result()

    def _start(self, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                self.tied_command(),
                env={**os.environ, **self.environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def family(pids: Sequence[int]) -> list[psutil.Process]:
    """The living processes among these and their descendants.

    By descent, not by process group: PostgreSQL's children make groups of their own.
    """
    found = []
    for pid in pids:
        try:
            parent = psutil.Process(pid)
            found += [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return [process for process in found if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; a dead one that nobody has collected yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
