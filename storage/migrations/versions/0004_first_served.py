"""Whom a post means by name is served before those who follow."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "peers", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    # Whose it is that is being worked on, so that nobody waits for who is gone.
    op.add_column("peers", sa.Column("leased_by", sa.Integer(), nullable=True))
    op.add_column("received", sa.Column("claimed_by", sa.Integer(), nullable=True))
    # How often passwords were tried, counted for all processes of a school together.
    op.create_table(
        "attempts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("moments", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_ends_at", "attempts", ["ends_at"])
    for table in ("received", "deliveries"):
        # Few, and a person wants to see them.
        op.create_index(
            f"ix_{table}_aside",
            table,
            ["id"],
            sqlite_where=sa.text("state = 'aside'"),
            postgresql_where=sa.text("state = 'aside'"),
        )
