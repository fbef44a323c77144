"""Dead letters can be filtered by their fault and redriven."""

import sqlalchemy as sa
from alembic import op

from sangraha.catalog.columns import MOMENT
from sangraha.catalog.text import replaced

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; letters that are there get theirs from their faults."""
    op.add_column("dead_letters", sa.Column("error", sa.Text, nullable=False, server_default=""))
    op.add_column("dead_letters", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("dead_letters", sa.Column("redriven_at", MOMENT))
    letters = sa.table(
        "dead_letters",
        sa.column("letter_id", sa.Uuid),
        sa.column("fault", sa.JSON),
        sa.column("error", sa.Text),
        sa.column("reason", sa.Text),
    )
    connection = op.get_bind()
    kept = connection.execute(sa.select(letters.c.letter_id, letters.c.fault)).all()
    for letter_id, fault in kept:
        connection.execute(
            letters.update()
            .where(letters.c.letter_id == letter_id)
            .values(error=replaced(fault["error"]), reason=replaced(fault["message"]))
        )
