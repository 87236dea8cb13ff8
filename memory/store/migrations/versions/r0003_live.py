"""The live account: fees in base currency and in an exchange's own coin, a venue's order ids, and what others did.

Columns that older rows say nothing in are empty there and under no digest, so that digests and seals stay as
they are. There is no way back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("contributed", sa.Text()))
    op.add_column("equity", sa.Column("contributed", sa.Text()))
    op.add_column("orders", sa.Column("venue_order_id", sa.Text()))
    op.add_column("fills", sa.Column("fee_base", sa.Text()))
    op.add_column("fills", sa.Column("commission", sa.Text()))
    op.create_index("ix_orders_account_venue_order_id", "orders", ["account", "venue_order_id"])
    op.create_index("ix_fills_account_symbol_at", "fills", ["account", "symbol", "at"])
    op.create_table(
        "external_events",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("cash", sa.Text(), nullable=False),
        sa.Column("price", sa.Text()),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text()),
        sa.Column("held", sa.Text()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "id", name="pk_external_events"),
        sa.UniqueConstraint("account", "n", name="uq_external_events_account_n"),
    )
    op.create_index("ix_external_events_account_symbol_n", "external_events", ["account", "symbol", "n"])
    op.create_index("ix_external_events_account_at", "external_events", ["account", "at"])
    op.create_index("ix_external_events_run_id_cycle", "external_events", ["run_id", "cycle"])
    op.create_table(
        "holdings",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", name="pk_holdings"),
    )
