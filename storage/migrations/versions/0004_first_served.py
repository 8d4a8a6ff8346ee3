"""Whom a post means by name is served before those who follow."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "peers", sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
