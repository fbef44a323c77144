"""Which request a client's Idempotency-Key stands for."""

import sqlalchemy as sa
from alembic import op

from sangraha.catalog.columns import MOMENT

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("member", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("reserved_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", "member", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_oldest", "idempotency_keys", ["reserved_at"])
