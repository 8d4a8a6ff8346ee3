"""Sign-in, blocks, reports, polls, hashtags, quotes, and posts that are still to be fetched."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _known_tables()
    _sessions()
    _burials()
    _blocks()
    _hashtags()
    _polls()
    _poll_options()
    _votes()
    _wanted()
    _reports()
    _rounds()


def _known_tables() -> None:
    op.add_column("actors", sa.Column("moved_at", sa.BigInteger(), nullable=True))
    op.add_column(
        "actors",
        sa.Column("suspended_here", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("ix_actors_handle", "actors", [sa.text("lower(username)"), "host"])
    op.add_column("objects", sa.Column("quotes", sa.Text(), nullable=True))
    op.create_index(
        "ix_objects_quotes",
        "objects",
        ["quotes"],
        sqlite_where=sa.text("quotes IS NOT NULL"),
        postgresql_where=sa.text("quotes IS NOT NULL"),
    )
    op.create_index("ix_fetched_actor", "fetched", ["actor_id"])
    op.create_index(
        "ix_timelines_announced_by",
        "timelines",
        ["announced_by"],
        sqlite_where=sa.text("announced_by IS NOT NULL"),
        postgresql_where=sa.text("announced_by IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["owner_id", "id"],
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_sessions_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("hash", name="uq_sessions_hash"),
    )
    op.create_index("ix_sessions_actor", "sessions", ["actor_id"])
    op.create_index("ix_sessions_expires", "sessions", ["expires_at"])


def _burials() -> None:
    op.create_table(
        "burials",
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_burials_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name="pk_burials"),
    )


def _blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_blocks_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["actors.id"], name="fk_blocks_target_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_blocks"),
        sa.UniqueConstraint("actor_id", "target_id", name="uq_blocks_actor_id_target_id"),
        sa.UniqueConstraint("uri", name="uq_blocks_uri"),
    )
    op.create_index("ix_blocks_target", "blocks", ["target_id", "actor_id"])


def _hashtags() -> None:
    op.create_table(
        "hashtags",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_hashtags_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "name", name="pk_hashtags"),
    )
    op.create_index("ix_hashtags_name", "hashtags", ["name", "object_id"])


def _polls() -> None:
    op.create_table(
        "polls",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("several", sa.Boolean(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("voters", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_polls_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", name="pk_polls"),
    )
    op.create_index(
        "ix_polls_due",
        "polls",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _poll_options() -> None:
    op.create_table(
        "poll_options",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("votes", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["object_id"], ["polls.object_id"], name="fk_poll_options_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "position", name="pk_poll_options"),
    )


def _votes() -> None:
    op.create_table(
        "votes",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_votes_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["polls.object_id"], name="fk_votes_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "actor_id", "position", name="pk_votes"),
    )
    op.create_index("ix_votes_actor", "votes", ["actor_id"])


def _wanted() -> None:
    op.create_table(
        "wanted",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("cause_uri", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked", sa.Text(), server_default="{}", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name="pk_wanted"),
    )
    op.create_index("ix_wanted_cause", "wanted", ["cause_uri"])
    op.create_index("ix_wanted_created_at", "wanted", ["created_at"])
    op.create_index(
        "ix_wanted_due",
        "wanted",
        ["due_at", "host"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_wanted_host",
        "wanted",
        ["host"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("reporter_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("post_uris", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reporter_id"], ["actors.id"], name="fk_reports_reporter_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["actors.id"], name="fk_reports_subject_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.UniqueConstraint("uri", name="uq_reports_uri"),
    )
    op.create_index("ix_reports_reporter", "reports", ["reporter_id"])
    op.create_index("ix_reports_subject", "reports", ["subject_id"])


def _rounds() -> None:
    op.create_table(
        "rounds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_rounds"),
    )
