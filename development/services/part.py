"""What `make services` runs, and the supervisord configuration made of it.

Pure text: nothing is started or written here.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from development.servers.process import Process

# A stage starts after those before it and stops before them. Within one, all stop at once.
STAGES = ("names", "servers", "workers", "doors")

SUPERVISOR = """\
[supervisord]
nodaemon = true
directory = {directory}
logfile = {folder}/logs/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}/logs
{user}
"""

GROUP = """
[group:{stage}]
programs = {programs}
priority = {priority}
"""

# It stops by a signal to the process alone, because the helpers that a server keeps would die of
# it before their server is done with them; what does not stop is killed with all of its group.
# A part that cannot run is tried again for ever, a second later each time.
PROGRAM = """
[program:{name}]
command = {command}
environment = {environment}
autorestart = true
startretries = 1000000
stopsignal = {signal}
stopwaitsecs = 45
killasgroup = true
redirect_stderr = true
stdout_logfile = {folder}/logs/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A process in its stage, and where people find it."""

    stage: str
    process: Process
    address: str = ""


def service(command: str, name: str, port: int, settings: Mapping[str, str], *, stage: str) -> Part:
    """One of Sangraha's services on 127.0.0.1."""
    own = {"SANGRAHA_HOST": "127.0.0.1", "SANGRAHA_PORT": str(port), "SANGRAHA_REPLICA": name}
    process = Process(name, [sys.executable, "-m", "sangraha_cli", command], {**settings, **own})
    return Part(stage, process, f"http://127.0.0.1:{port}")


def configuration(parts: Sequence[Part], folder: Path, directory: Path) -> str:
    """The supervisord configuration that runs these parts in `directory`."""
    user = "user = root" if os.geteuid() == 0 else ""
    text = SUPERVISOR.format(folder=_literal(folder), directory=_literal(directory), user=user)
    for priority, stage in enumerate(STAGES):
        names = [part.process.name for part in parts if part.stage == stage]
        text += GROUP.format(stage=stage, programs=",".join(names), priority=priority)
    for part in parts:
        process = part.process
        pairs = [f'{name}="{_literal(value)}"' for name, value in process.environment.items()]
        text += PROGRAM.format(
            name=process.name,
            command=_literal(shlex.join(process.tied_command())),
            environment=",".join(pairs),
            signal=process.stop_signal.name.removeprefix("SIG"),
            folder=_literal(folder),
        )
    return text


def _literal(value: object) -> str:
    # supervisord expands %(name)s.
    return str(value).replace("%", "%%")
