"""Projects across schools, and staff who move."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _known_tables()
    _projects()
    _memberships()
    _moves()
    _moved_things()


def _known_tables() -> None:
    op.add_column("actors", sa.Column("members", sa.Text(), nullable=True))
    op.create_index(
        "ix_actors_members",
        "actors",
        ["members"],
        sqlite_where=sa.text("members IS NOT NULL"),
        postgresql_where=sa.text("members IS NOT NULL"),
    )
    op.add_column("objects", sa.Column("project_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_objects_project",
        "objects",
        ["project_id", "id"],
        sqlite_where=sa.text("project_id IS NOT NULL"),
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    op.add_column("published", sa.Column("project_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_published_project",
        "published",
        ["project_id"],
        sqlite_where=sa.text("project_id IS NOT NULL"),
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    op.add_column("received", sa.Column("waits_for", sa.Text(), nullable=True))
    op.create_index(
        "ix_received_waits_for",
        "received",
        ["waits_for"],
        sqlite_where=sa.text("waits_for IS NOT NULL"),
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("openness", sa.Text(), nullable=False),
        sa.Column("moves", sa.Text(), server_default="automatic", nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_projects_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name="pk_projects"),
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("formerly_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_memberships_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["formerly_id"], ["actors.id"], name="fk_memberships_formerly_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["actors.id"], name="fk_memberships_project_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_actor", "memberships", ["actor_id", "state", "id"])
    op.create_index("ix_memberships_formerly", "memberships", ["formerly_id"])
    op.create_index("ix_memberships_project", "memberships", ["project_id", "state", "id"])
    op.create_index("ix_memberships_uri", "memberships", ["uri"])
    op.create_index(
        "uq_memberships_now",
        "memberships",
        ["project_id", "actor_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _moves() -> None:
    op.create_table(
        "moves",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("other_id", sa.BigInteger(), nullable=False),
        sa.Column("list", sa.Text(), nullable=True),
        sa.Column("next_page", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_moves_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["actors.id"], name="fk_moves_other_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_moves"),
        sa.UniqueConstraint(
            "actor_id", "direction", "other_id", name="uq_moves_actor_id_direction_other_id"
        ),
    )
    op.create_index(
        "ix_moves_due",
        "moves",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_moves_other", "moves", ["other_id"])


def _moved_things() -> None:
    op.create_table(
        "moved_things",
        sa.Column("move_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["move_id"], ["moves.id"], name="fk_moved_things_move_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("move_id", "kind", "uri", name="pk_moved_things"),
    )
    op.create_index(
        "ix_moved_things_due",
        "moved_things",
        ["move_id", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_moved_things_outcome", "moved_things", ["move_id", "outcome"])
    op.create_index("ix_moved_things_uri", "moved_things", ["uri", "kind"])
