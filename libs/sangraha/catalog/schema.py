"""Bringing a database to the schema this program knows, at every start.

Several replicas may start at once: one upgrades, the others wait and find it done. Nothing here
goes backwards: a schema newer than the program is refused.
"""

import asyncio
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from sangraha.catalog.database import Database
from sangraha.errors import InvalidConfiguration

UPGRADE_SECONDS: Final = 900
"""An upgrade, and the wait for another replica's, may take this long."""
_LOCK: Final = int.from_bytes(b"sangraha")


def configuration() -> Config:
    """Alembic's configuration: the migrations that are packaged with this module."""
    config = Config()
    config.set_main_option("script_location", "sangraha.catalog:migrations")
    config.set_main_option("path_separator", "os")
    return config


async def upgrade(database: Database) -> None:
    """Raises CatalogUnavailable, or InvalidConfiguration for a schema newer than this program."""
    config = configuration()
    scripts = await asyncio.to_thread(ScriptDirectory.from_config, config)
    known = await asyncio.to_thread(
        lambda: [script.revision for script in scripts.walk_revisions()]
    )

    def is_current(connection: Connection) -> bool:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and revision not in known:
            raise InvalidConfiguration(
                f"the catalog's schema is {revision}, which is newer than this program: it knows"
                f" schemas up to {known[0]}"
            )
        return revision == known[0]

    def upgrade_to_newest(connection: Connection) -> None:
        if not is_current(connection):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    async with database.read() as connection:
        if await connection.run_sync(is_current):
            return
    async with database.write(timeout_seconds=UPGRADE_SECONDS) as connection:
        # SQLite's writers wait for one another as it is.
        if not database.is_sqlite:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(upgrade_to_newest)
