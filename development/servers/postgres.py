"""A private PostgreSQL server: fsync on, no TLS, passwords by SCRAM.

It refuses to run as root; for root it runs as the user `postgres` of the Debian packages.
"""

import os
import secrets
import shutil
import signal
import subprocess

from development.servers.base import Server
from development.servers.process import Process
from development.software import POSTGRES

USER = "sangraha"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "ssl": "off",
    "fsync": "on",
    # In files of the data folder: a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}


class PostgresServer(Server):
    name = "postgres"
    software = POSTGRES

    @property
    def port(self) -> int:
        return self.folder.port("postgres")

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        database = f"test_{secrets.token_hex(6)}"
        self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def ensure_database(self, database: str) -> str:
        """Make a database unless it is there, and return its address."""
        known = self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{database}'")
        if not known:
            self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def execute(self, statement: str) -> str:
        """Run one statement as the superuser; its rows as text.

        Raises subprocess.CalledProcessError when it fails.
        """
        return subprocess.run(
            [self._binary("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement],
            env={**os.environ, **self._client_environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.strip()

    def prepare(self) -> None:
        data = self.folder.path / "data"
        if data.exists():
            return
        # Made elsewhere and moved here: what an interrupted initdb leaves is never taken for data.
        fresh = self.folder.path / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = self.folder.path / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            shutil.chown(fresh, "postgres", "postgres")
        command = [self._binary("initdb"), "-D", str(fresh), "-U", USER, "-A", "scram-sha-256"]
        command += ["--pwfile", str(password_file), "-E", "UTF8", "--no-locale", "--no-sync"]
        with self.folder.log.open("ab") as log:
            subprocess.run(
                _as_postgres(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder.path,
                check=True,
            )
        fresh.rename(data)

    def processes(self) -> list[Process]:
        data = str(self.folder.path / "data")
        command = [self._binary("postgres"), "-D", data, "-p", str(self.port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        return [Process("postgres", _as_postgres(command), stop_signal=signal.SIGINT)]

    def is_ready(self) -> bool:
        answer = subprocess.run(
            [self._binary("pg_isready"), "-q", "-t", "2"],
            env={**os.environ, **self._client_environment},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return answer.returncode == 0

    def _binary(self, name: str) -> str:
        return str(self.program / name)

    @property
    def _password(self) -> str:
        return self.folder.secret("password")

    @property
    def _client_environment(self) -> dict[str, str]:
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self._password,
            "PGDATABASE": "postgres",
        }


def _as_postgres(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    # The one capability lets that user reach a data folder that lies below root's own.
    switch = "--reuid postgres --regid postgres --clear-groups"
    reach = "--inh-caps +dac_override --ambient-caps +dac_override"
    return ["setpriv", *switch.split(), *reach.split(), "--", *command]
