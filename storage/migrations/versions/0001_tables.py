"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite gives automatic row ids only to INTEGER, PostgreSQL wants BIGINT.
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _peers()
    _received()
    _school()
    _tombstones()
    _actors()
    _accounts()
    _arrivals()
    _follows()
    _keys()
    _objects()
    _published()
    _tokens()
    _announces()
    _deliveries()
    _featured()
    _fetched()
    _likes()
    _notifications()
    _recipients()
    _timelines()


def _peers() -> None:
    op.create_table(
        "peers",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), server_default="unlisted", nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("signature_form", sa.Text(), nullable=True),
        sa.Column("form_learned_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_days", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("succeeded_at", sa.BigInteger(), nullable=True),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_peers"),
        sa.UniqueConstraint("host", name="uq_peers_host"),
    )
    op.create_index(
        "ix_peers_due",
        "peers",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _received() -> None:
    op.create_table(
        "received",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_uri", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_received"),
        sa.UniqueConstraint(
            "uri", "actor_uri", "owner_id", name="uq_received_uri_actor_uri_owner_id"
        ),
    )
    op.create_index(
        "ix_received_claimed",
        "received",
        ["actor_uri"],
        sqlite_where=sa.text("claimed_until IS NOT NULL"),
        postgresql_where=sa.text("claimed_until IS NOT NULL"),
    )
    op.create_index(
        "ix_received_new",
        "received",
        ["due_at", "id"],
        sqlite_where=sa.text("state = 'new'"),
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_index("ix_received_received_at", "received", ["received_at"])


def _school() -> None:
    op.create_table(
        "school",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_school"),
    )


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uri", "actor_uri", name="pk_tombstones"),
    )


def _actors() -> None:
    op.create_table(
        "actors",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("peer_id", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("shared_inbox", sa.Text(), nullable=True),
        sa.Column("outbox", sa.Text(), nullable=True),
        sa.Column("followers", sa.Text(), nullable=True),
        sa.Column("following", sa.Text(), nullable=True),
        sa.Column("featured", sa.Text(), nullable=True),
        sa.Column("approves_followers", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("moved_to", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["peer_id"], ["peers.id"], name="fk_actors_peer_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_actors"),
        sa.UniqueConstraint("uri", name="uq_actors_uri"),
    )
    op.create_index("ix_actors_peer", "actors", ["peer_id"])
    op.create_index(
        "uq_actors_local_username",
        "actors",
        [sa.text("lower(username)")],
        unique=True,
        sqlite_where=sa.text("peer_id IS NULL"),
        postgresql_where=sa.text("peer_id IS NULL"),
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_accounts_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name="pk_accounts"),
    )


def _arrivals() -> None:
    op.create_table(
        "arrivals",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("received_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["actors.id"], name="fk_arrivals_owner_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["received_id"], ["received.id"], name="fk_arrivals_received_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "received_id", name="pk_arrivals"),
    )
    op.create_index("ix_arrivals_received", "arrivals", ["received_id"])


def _follows() -> None:
    op.create_table(
        "follows",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("followee_id", sa.BigInteger(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["followee_id"], ["actors.id"], name="fk_follows_followee_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["actors.id"], name="fk_follows_follower_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_follows"),
        sa.UniqueConstraint(
            "follower_id", "followee_id", name="uq_follows_follower_id_followee_id"
        ),
    )
    op.create_index("ix_follows_followee", "follows", ["followee_id", "state", "id"])
    op.create_index("ix_follows_follower", "follows", ["follower_id", "state", "id"])
    op.create_index("ix_follows_uri", "follows", ["uri"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_keys_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("uri", name="uq_keys_uri"),
    )
    op.create_index("ix_keys_actor", "keys", ["actor_id"])


def _objects() -> None:
    op.create_table(
        "objects",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("in_reply_to", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["actors.id"], name="fk_objects_author_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_objects"),
        sa.UniqueConstraint("uri", name="uq_objects_uri"),
    )
    op.create_index("ix_objects_author", "objects", ["author_id", "id"])
    op.create_index("ix_objects_in_reply_to", "objects", ["in_reply_to", "id"])


def _published() -> None:
    op.create_table(
        "published",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_uri", sa.Text(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("forwarded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_published_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_published"),
        sa.UniqueConstraint("uri", name="uq_published_uri"),
    )
    op.create_index("ix_published_actor", "published", ["actor_id", "id"])
    op.create_index("ix_published_object", "published", ["object_uri"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_tokens_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_index("ix_tokens_actor", "tokens", ["actor_id"])


def _announces() -> None:
    op.create_table(
        "announces",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_announces_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_announces_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_announces"),
        sa.UniqueConstraint("actor_id", "object_id", name="uq_announces_actor_id_object_id"),
        sa.UniqueConstraint("uri", name="uq_announces_uri"),
    )
    op.create_index("ix_announces_object", "announces", ["object_id", "id"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", COUNTER, autoincrement=True, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("peer_id", sa.BigInteger(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["published.id"], name="fk_deliveries_activity_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["peer_id"], ["peers.id"], name="fk_deliveries_peer_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("activity_id", "inbox", name="uq_deliveries_activity_id_inbox"),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["peer_id", "activity_id", "id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _featured() -> None:
    op.create_table(
        "featured",
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_featured_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_featured_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", "object_id", name="pk_featured"),
    )
    op.create_index("ix_featured_object", "featured", ["object_id"])


def _fetched() -> None:
    op.create_table(
        "fetched",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_fetched_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_fetched_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "actor_id", name="pk_fetched"),
    )


def _likes() -> None:
    op.create_table(
        "likes",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_likes_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_likes_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_likes"),
        sa.UniqueConstraint("actor_id", "object_id", name="uq_likes_actor_id_object_id"),
        sa.UniqueConstraint("uri", name="uq_likes_uri"),
    )
    op.create_index("ix_likes_actor", "likes", ["actor_id", "id"])
    op.create_index("ix_likes_object", "likes", ["object_id", "id"])


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_notifications_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_notifications_object_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["actors.id"], name="fk_notifications_owner_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
    )
    op.create_index("ix_notifications_actor", "notifications", ["actor_id"])
    op.create_index("ix_notifications_object", "notifications", ["object_id"])
    op.create_index("ix_notifications_owner", "notifications", ["owner_id", "id"])
    op.create_index(
        "uq_notifications_once",
        "notifications",
        ["owner_id", "kind", "actor_id", sa.text("coalesce(object_id, 0)")],
        unique=True,
    )


def _recipients() -> None:
    op.create_table(
        "recipients",
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name="fk_recipients_actor_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_recipients_object_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("object_id", "actor_id", name="pk_recipients"),
    )
    op.create_index("ix_recipients_actor", "recipients", ["actor_id"])


def _timelines() -> None:
    op.create_table(
        "timelines",
        sa.Column("reader_id", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("announced_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["announced_by"], ["actors.id"], name="fk_timelines_announced_by", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name="fk_timelines_object_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["actors.id"], name="fk_timelines_reader_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reader_id", "object_id", name="pk_timelines"),
    )
    op.create_index("ix_timelines_object", "timelines", ["object_id"])
    op.create_index("ix_timelines_reader", "timelines", ["reader_id", "position"])
