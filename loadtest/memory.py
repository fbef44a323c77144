"""The peak of each service's memory during a block, from the kernel's own high-water mark."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.deployment import Deployment


class PeakMemory:
    """`risen` is, after the block, what each service's peak was above its start, in bytes."""

    def __init__(self, deployment: Deployment) -> None:
        self._pids = {
            service: next(iter(server.pids())) for service, server in deployment.servers.items()
        }
        self._before: dict[str, int] = {}
        self.risen: dict[str, int] = {}

    def __enter__(self) -> Self:
        for service, pid in self._pids.items():
            # proc_pid_clear_refs(5): 5 resets the high-water mark to what is resident now.
            Path(f"/proc/{pid}/clear_refs").write_text("5")
            self._before[service] = memory(pid, "VmRSS")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.risen = {
            service: memory(pid, "VmHWM") - self._before[service]
            for service, pid in self._pids.items()
        }


def memory(pid: int, field: str) -> int:
    """A field of /proc/PID/status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)
