"""Everything a school keeps, on one page.

The same tables stand on SQLite and on PostgreSQL. Uniqueness is always a constraint, never a
look before an insert. Times are microseconds since 1970 UTC, so that both engines order and
compare them alike. Ids of rows that apps will see come from `Transaction.new_id()`: 63 bits,
ordered by time. The plain counters (`deliveries`) are seen by nobody.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC `datetime`, kept as whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


# SQLite gives automatic row ids only to INTEGER, PostgreSQL wants BIGINT.
Counter = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, primary_key=True, autoincrement=False)


def _to(
    table: str, name: str, *, column: str = "id", nullable: bool = False, **more: Any
) -> Column[int]:
    """A reference that goes away with what it points to."""
    return Column(
        name,
        BigInteger,
        ForeignKey(f"{table}.{column}", ondelete="CASCADE"),
        nullable=nullable,
        **more,
    )


def _when(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, Moment, nullable=nullable)


# --- the school itself -------------------------------------------------------------------------

# One row. Ids are made of `url`, so a data directory belongs to one address for ever.
school = Table(
    "school",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("host", Text, nullable=False),  # name[:port], the part after @ in handles
    Column("url", Text, nullable=False),  # https://host, without a slash at the end
    Column("name", Text, nullable=False),
    _when("created_at"),
)

# --- other servers -----------------------------------------------------------------------------

# Another server: whether we talk to it, and the lane on which we deliver to it. `due_at` is set
# while something waits for it, and says when the lane may be tried next.
peers = Table(
    "peers",
    metadata,
    _id(),
    Column("host", Text, nullable=False, unique=True),  # name[:port]
    Column("policy", Text, nullable=False, server_default="unlisted"),  # allowed|blocked|unlisted
    # This host, or one that stands above it, is blocked. Follows from all the policies.
    Column("blocked", Boolean, nullable=False, server_default=false()),
    Column("signature_form", Text),  # cavage|rfc9421|ed25519, learned from a POST it verified
    _when("form_learned_at", nullable=True),
    _when("due_at", nullable=True),
    # Somebody there is meant by name: visited before those who merely follow.
    Column("urgent", Boolean, nullable=False, server_default=false()),
    _when("leased_until", nullable=True),
    Column("leased_by", Integer),  # the id tag of the process that visits it
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("failing_days", Integer, nullable=False, server_default="0"),  # distinct days in a row
    _when("failing_since", nullable=True),
    _when("failed_at", nullable=True),
    Column("paused", Text),  # why the lane waits for a person, else null
    Column("last_error", Text),
    _when("succeeded_at", nullable=True),
    _when("heard_at", nullable=True),  # last valid signed request from it
    _when("created_at"),
    Index(
        "ix_peers_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

# --- who people are ----------------------------------------------------------------------------

# Every actor we know: ours (`peer_id` is null) and others'. What we do not read often stays in
# `document`: for others the JSON as fetched, for ours the profile (fields, aliases, settings).
actors = Table(
    "actors",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("peers", "peer_id", nullable=True),
    Column("type", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("host", Text, nullable=False),  # the part after @ in the handle
    Column("name", Text, nullable=False, server_default=""),
    Column("summary", Text, nullable=False, server_default=""),  # clean HTML
    Column("url", Text, nullable=False),  # the page for people
    Column("inbox", Text, nullable=False),
    Column("shared_inbox", Text),
    Column("outbox", Text),
    Column("followers", Text),
    Column("following", Text),
    Column("featured", Text),
    # Of a project: the collection of its members, which is also the address of what is theirs.
    Column("members", Text),
    Column("approves_followers", Boolean, nullable=False, server_default=false()),
    Column("moved_to", Text),
    _when("moved_at", nullable=True),  # when a Move led followers from or to them
    Column("state", Text, nullable=False, server_default="active"),  # active|suspended|deleted
    # Our administrator suspended them: no word of theirs ends it.
    Column("suspended_here", Boolean, nullable=False, server_default=false()),
    Column("document", Text, nullable=False),
    _when("created_at"),
    _when("updated_at"),
    _when("fetched_at", nullable=True),
    Index("ix_actors_peer", "peer_id"),
    Index(
        "ix_actors_members",
        "members",
        sqlite_where=text("members IS NOT NULL"),
        postgresql_where=text("members IS NOT NULL"),
    ),
    Index("ix_actors_handle", text("lower(username)"), "host"),
    # One handle, one local actor, whatever its kind and letter case.
    Index(
        "uq_actors_local_username",
        text("lower(username)"),
        unique=True,
        sqlite_where=text("peer_id IS NULL"),
        postgresql_where=text("peer_id IS NULL"),
    ),
)

# Public keys of everyone; `private` only for ours, encrypted with the school's secret.
keys = Table(
    "keys",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("actors", "actor_id"),
    Column("algorithm", Text, nullable=False),  # rsa|ed25519
    Column("public", LargeBinary, nullable=False),  # SubjectPublicKeyInfo, DER
    Column("private", LargeBinary),
    _when("created_at"),
    _when("fetched_at", nullable=True),
    Index("ix_keys_actor", "actor_id"),
)

# People who can sign in here: one row per member of staff.
accounts = Table(
    "accounts",
    metadata,
    Column("actor_id", BigInteger, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, nullable=False),  # admin|staff
    Column("password_hash", Text),
    _when("created_at"),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    _to("actors", "actor_id"),
    Column("hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the bearer token
    Column("scopes", Text, nullable=False),  # words with one space between
    _when("created_at"),
    _when("revoked_at", nullable=True),
    Index("ix_tokens_actor", "actor_id"),
)

# Browsers that somebody is signed in with. The cookie holds the secret, we keep its SHA-256.
sessions = Table(
    "sessions",
    metadata,
    _id(),
    _to("actors", "actor_id"),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _when("created_at"),
    _when("seen_at"),  # to within a few minutes
    _when("expires_at"),
    Index("ix_sessions_actor", "actor_id"),
    Index("ix_sessions_expires", "expires_at"),
)

# How often passwords were tried: what is counted, hashed, and when it happened (a JSON list).
attempts = Table(
    "attempts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("moments", Text, nullable=False),
    _when("ends_at"),
    Index("ix_attempts_ends_at", "ends_at"),
)

# Who is gone, and whose rows are still to be cleared away, a few at a time: first their posts, then
# what else they did; of one of ours, once all is delivered, their keys and what they sent.
burials = Table(
    "burials",
    metadata,
    Column("actor_id", BigInteger, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Text, nullable=False),  # posts|rest|sent
    Column(
        "reached", BigInteger, nullable=False, server_default="0"
    ),  # rows up to this id are done
    _when("created_at"),
)

# --- who follows whom --------------------------------------------------------------------------

follows = Table(
    "follows",
    metadata,
    _id(),
    _to("actors", "follower_id"),
    _to("actors", "followee_id"),
    Column("uri", Text, nullable=False),  # of the Follow activity
    Column("state", Text, nullable=False),  # requested|accepted|rejected
    _when("created_at"),
    UniqueConstraint("follower_id", "followee_id"),
    Index("ix_follows_followee", "followee_id", "state", "id"),
    Index("ix_follows_follower", "follower_id", "state", "id"),
    Index("ix_follows_uri", "uri"),
)

# Who wants nothing to do with whom: neither sees or hears anything of the other.
blocks = Table(
    "blocks",
    metadata,
    _id(),
    _to("actors", "actor_id"),  # who blocks
    _to("actors", "target_id"),
    Column("uri", Text, nullable=False, unique=True),  # of the Block activity
    _when("created_at"),
    UniqueConstraint("actor_id", "target_id"),
    Index("ix_blocks_target", "target_id", "actor_id"),
)

# --- projects ----------------------------------------------------------------------------------

# What a project says of itself beside what every actor does: ours, and those of other schools that
# our people are in or were asked into. One that is private is known to its members alone.
projects = Table(
    "projects",
    metadata,
    Column("actor_id", BigInteger, ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True),
    Column("openness", Text, nullable=False),  # open|private
    # Ours: whether a role goes with a member who moves school, or a lead is asked: automatic|ask
    Column("moves", Text, nullable=False, server_default="automatic"),
    _when("starts_at", nullable=True),
    _when("ends_at", nullable=True),
    _when("created_at"),
)

# Who is in a project, who asks to be and who is asked; and who was, with what role and how long.
# Of a project of ours this is the truth, of others it is what its host said last.
memberships = Table(
    "memberships",
    metadata,
    _id(),
    _to("actors", "project_id"),
    _to("actors", "actor_id"),
    Column("role", Text, nullable=False),  # lead|editor|observer
    Column("state", Text, nullable=False),  # asked|invited|member
    Column("uri", Text, nullable=False),  # of the Join, Invite or Add that it began with
    # Who they were before they moved school: their role ends when this one begins.
    _to("actors", "formerly_id", nullable=True),
    _when("created_at"),
    _when("began_at", nullable=True),
    _when("ended_at", nullable=True),
    Index(
        "uq_memberships_now",
        "project_id",
        "actor_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_memberships_project", "project_id", "state", "id"),
    Index("ix_memberships_actor", "actor_id", "state", "id"),
    Index("ix_memberships_formerly", "formerly_id"),
    Index("ix_memberships_uri", "uri"),
)

# --- who moves school --------------------------------------------------------------------------

# One of our people who goes to another school (out), or came from one (in). What is still to be
# done for them is done in steps, each of which is written down with its outcome. And somebody,
# ours or not, whose followers here have not all gone along yet (along).
moves = Table(
    "moves",
    metadata,
    _id(),
    _to("actors", "actor_id"),
    Column("direction", Text, nullable=False),  # out|in|along
    _to("actors", "other_id"),  # who they are there, or were
    Column("list", Text),  # in: which of their lists is being read, null when all are
    Column("next_page", Text),  # in: where it goes on
    Column("pages", Integer, nullable=False, server_default="0"),  # read so far
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("last_error", Text),
    _when("due_at", nullable=True),  # the next step; null when nothing is left to do
    _when("created_at"),
    _when("ended_at", nullable=True),
    UniqueConstraint("actor_id", "direction", "other_id"),
    Index(
        "ix_moves_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_moves_other", "other_id"),
)

# What goes along, one by one.
moved_things = Table(
    "moved_things",
    metadata,
    _to("moves", "move_id", primary_key=True),
    Column("kind", Text, primary_key=True),  # follower|following|project|block
    Column("uri", Text, primary_key=True),  # of the actor who follows, is followed, is blocked …
    Column("outcome", Text, nullable=False),  # waiting|asked|moved|refused|unreachable
    Column("reason", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
    _when("due_at", nullable=True),  # the next try; null when there is none
    _when("changed_at"),
    Index("ix_moved_things_outcome", "move_id", "outcome"),
    Index("ix_moved_things_uri", "uri", "kind"),
    Index(
        "ix_moved_things_due",
        "move_id",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

# --- what people say ---------------------------------------------------------------------------

# Posts, ours and copies of others'. `document` is the JSON as we show it: ours as made, others'
# as received, without bto and bcc. A deleted post keeps its row: an id is never used again.
objects = Table(
    "objects",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("actors", "author_id"),
    Column("type", Text, nullable=False),
    # public|unlisted|followers|school|project|direct
    Column("audience", Text, nullable=False),
    Column("project_id", BigInteger),  # the actor of the project that it was written in
    Column("name", Text),
    Column("summary", Text),
    Column("content", Text, nullable=False, server_default=""),  # clean HTML
    Column("url", Text, nullable=False),  # the page for people
    Column("in_reply_to", Text),
    Column("quotes", Text),  # the id of the post that this one quotes
    Column("document", Text, nullable=False),
    _when("published_at"),
    _when("edited_at", nullable=True),
    _when("deleted_at", nullable=True),
    Index("ix_objects_author", "author_id", "id"),
    Index("ix_objects_in_reply_to", "in_reply_to", "id"),
    Index(
        "ix_objects_project",
        "project_id",
        "id",
        sqlite_where=text("project_id IS NOT NULL"),
        postgresql_where=text("project_id IS NOT NULL"),
    ),
    Index(
        "ix_objects_quotes",
        "quotes",
        sqlite_where=text("quotes IS NOT NULL"),
        postgresql_where=text("quotes IS NOT NULL"),
    ),
)

# The words with # that a post is filed under: letter case and width set aside.
hashtags = Table(
    "hashtags",
    metadata,
    _to("objects", "object_id", primary_key=True),
    Column("name", Text, primary_key=True),  # without #
    Index("ix_hashtags_name", "name", "object_id"),
)

# A post that asks something. Of others' polls the figures are those that their server gives.
polls = Table(
    "polls",
    metadata,
    Column("object_id", BigInteger, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("several", Boolean, nullable=False),  # more than one choice may be taken
    _when("ends_at", nullable=True),
    _when("ended_at", nullable=True),  # since when nobody may vote any more, and all were told
    Column("voters", Integer, nullable=False, server_default="0"),
    _when("due_at", nullable=True),  # ours: when they go out next, or the poll ends
    Index(
        "ix_polls_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

poll_options = Table(
    "poll_options",
    metadata,
    _to("polls", "object_id", primary_key=True, column="object_id"),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("votes", Integer, nullable=False, server_default="0"),
)

votes = Table(
    "votes",
    metadata,
    _to("polls", "object_id", primary_key=True, column="object_id"),
    _to("actors", "actor_id", primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("uri", Text),  # of the Note that was the vote
    _when("created_at"),
    Index("ix_votes_actor", "actor_id"),
)

# Who is named by a post, openly (to, cc) or not (bto, bcc, or a personal inbox it came to).
recipients = Table(
    "recipients",
    metadata,
    _to("objects", "object_id", primary_key=True),
    _to("actors", "actor_id", primary_key=True),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Index("ix_recipients_actor", "actor_id"),
)

# Deleted before they were known: what comes later under this id is refused.
tombstones = Table(
    "tombstones",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("actor_uri", Text, primary_key=True),
    _when("deleted_at"),
)

# Someone of another server asked for this post and got it: edits and deletions go there too.
fetched = Table(
    "fetched",
    metadata,
    _to("objects", "object_id", primary_key=True),
    _to("actors", "actor_id", primary_key=True),
    Index("ix_fetched_actor", "actor_id"),
)

likes = Table(
    "likes",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("actors", "actor_id"),
    _to("objects", "object_id"),
    _when("created_at"),
    UniqueConstraint("actor_id", "object_id"),
    Index("ix_likes_object", "object_id", "id"),
    Index("ix_likes_actor", "actor_id", "id"),
)

announces = Table(
    "announces",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("actors", "actor_id"),
    _to("objects", "object_id"),
    Column("audience", Text, nullable=False),
    _when("created_at"),
    UniqueConstraint("actor_id", "object_id"),
    Index("ix_announces_object", "object_id", "id"),
)

featured = Table(
    "featured",
    metadata,
    _to("actors", "actor_id", primary_key=True),
    _to("objects", "object_id", primary_key=True),
    _when("created_at"),
    Index("ix_featured_object", "object_id"),
)

# --- what arrives ------------------------------------------------------------------------------

# Activities as they came, before and after their effect. One row per inbox they came to: the
# first has the effect, further ones only add their owner as a reader.
received = Table(
    "received",
    metadata,
    _id(),
    Column("uri", Text, nullable=False),
    Column("actor_uri", Text, nullable=False),
    Column("owner_id", BigInteger, nullable=False),  # whose inbox; 0 is the shared one
    Column("type", Text, nullable=False),
    Column("object_uri", Text),  # what it is about; decides who may still read it
    Column("body", LargeBinary, nullable=False),  # the bytes that were signed
    Column("state", Text, nullable=False),  # new|done|aside
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    _when("due_at"),
    _when("claimed_until", nullable=True),
    Column("claimed_by", Integer),  # the id tag of the process that works on it
    Column("waits_for", Text),  # put off until this server can be reached
    _when("received_at"),
    UniqueConstraint("uri", "actor_uri", "owner_id"),
    Index(
        "ix_received_new",
        "due_at",
        "id",
        sqlite_where=text("state = 'new'"),
        postgresql_where=text("state = 'new'"),
    ),
    Index(
        "ix_received_claimed",
        "actor_uri",
        sqlite_where=text("claimed_until IS NOT NULL"),
        postgresql_where=text("claimed_until IS NOT NULL"),
    ),
    Index(
        "ix_received_waits_for",
        "waits_for",
        sqlite_where=text("waits_for IS NOT NULL"),
        postgresql_where=text("waits_for IS NOT NULL"),
    ),
    Index("ix_received_received_at", "received_at"),
    Index(
        "ix_received_aside",
        "id",
        sqlite_where=text("state = 'aside'"),
        postgresql_where=text("state = 'aside'"),
    ),
)

# Posts of others that we were pointed to and have not got: what a post answers or quotes. Fetched
# later, a few per conversation, so that nobody keeps us busy by writing replies to nothing. A row
# stays some days after its end: it says what was asked already, and how often for which cause.
wanted = Table(
    "wanted",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("cause_uri", Text, nullable=False),  # the activity that arrived and began it
    Column("host", Text, nullable=False),  # of the uri
    Column("depth", Integer, nullable=False),  # how many steps above the post that came
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("asked", Text, nullable=False, server_default="{}"),  # JSON: requests so far, by host
    _when("asked_at", nullable=True),
    _when("due_at", nullable=True),  # null: had, or given up
    _when("claimed_until", nullable=True),
    _when("created_at"),
    Index(
        "ix_wanted_due",
        "due_at",
        "host",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_wanted_host",
        "host",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_wanted_cause", "cause_uri"),
    Index("ix_wanted_created_at", "created_at"),
)

# What each of our people finds in their inbox.
arrivals = Table(
    "arrivals",
    metadata,
    _to("actors", "owner_id", primary_key=True),
    _to("received", "received_id", primary_key=True),
    Index("ix_arrivals_received", "received_id"),
)

# What each of our people reads at home: one row per reader and post, written on arrival, so that
# reading stays flat whatever the number of follows.
timelines = Table(
    "timelines",
    metadata,
    _to("actors", "reader_id", primary_key=True),
    _to("objects", "object_id", primary_key=True),
    Column("position", BigInteger, nullable=False),  # ordered by time of arrival
    _to("actors", "announced_by", nullable=True),
    Index("ix_timelines_reader", "reader_id", "position"),
    Index("ix_timelines_object", "object_id"),
    Index(
        "ix_timelines_announced_by",
        "announced_by",
        sqlite_where=text("announced_by IS NOT NULL"),
        postgresql_where=text("announced_by IS NOT NULL"),
    ),
)

notifications = Table(
    "notifications",
    metadata,
    _id(),
    _to("actors", "owner_id"),
    # follow|request|mention|reply|like|announce|accepted|poll|move|invite|join|joined
    Column("kind", Text, nullable=False),
    _to("actors", "actor_id"),
    _to("objects", "object_id", nullable=True),
    _when("created_at"),
    _when("read_at", nullable=True),
    Index("ix_notifications_owner", "owner_id", "id"),
    Index(
        "ix_notifications_unread",
        "owner_id",
        "id",
        sqlite_where=text("read_at IS NULL"),
        postgresql_where=text("read_at IS NULL"),
    ),
    Index("ix_notifications_actor", "actor_id"),
    Index("ix_notifications_object", "object_id"),
    Index(
        "uq_notifications_once",
        "owner_id",
        "kind",
        "actor_id",
        text("coalesce(object_id, 0)"),
        unique=True,
    ),
)

# --- what we send ------------------------------------------------------------------------------

# Activities as we send them, proof included; with `forwarded` those of others that we pass on
# unchanged, signed for by one of ours.
published = Table(
    "published",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    _to("actors", "actor_id"),
    Column("type", Text, nullable=False),
    Column("object_uri", Text),
    Column("audience", Text, nullable=False),
    Column("project_id", BigInteger),  # the actor of the project whose members it is for
    Column("document", LargeBinary, nullable=False),
    Column("forwarded", Boolean, nullable=False, server_default=false()),
    _when("published_at"),
    Index("ix_published_actor", "actor_id", "id"),
    Index("ix_published_object", "object_uri"),
    Index(
        "ix_published_project",
        "project_id",
        sqlite_where=text("project_id IS NOT NULL"),
        postgresql_where=text("project_id IS NOT NULL"),
    ),
)

# One row per activity and distinct inbox. Rows wait in the lane of their peer, in order.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    _to("published", "activity_id"),
    _to("peers", "peer_id"),
    Column("inbox", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),  # waiting|done|over|aside
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    _when("created_at"),
    _when("ended_at", nullable=True),
    UniqueConstraint("activity_id", "inbox"),
    Index(
        "ix_deliveries_waiting",
        "peer_id",
        "activity_id",
        "id",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "ix_deliveries_aside",
        "id",
        sqlite_where=text("state = 'aside'"),
        postgresql_where=text("state = 'aside'"),
    ),
)

# --- what an administrator looks after ---------------------------------------------------------

# Somebody reports a person or posts of ours, or one of ours those of others.
reports = Table(
    "reports",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),  # of the Flag activity
    _to("actors", "reporter_id"),
    _to("actors", "subject_id"),  # the person whom it is about
    Column("post_uris", Text, nullable=False),  # a JSON list of ids
    Column("reason", Text, nullable=False, server_default=""),  # plain text
    _when("created_at"),
    _when("closed_at", nullable=True),
    Index("ix_reports_subject", "subject_id"),
    Index("ix_reports_reporter", "reporter_id"),
)

# --- what is looked after by itself ------------------------------------------------------------

# How far each regular round through what we keep has come: `position` is an id, and ids are
# ordered by time. At the end it waits for what grows old enough, and now and then begins anew.
rounds = Table(
    "rounds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    _when("began_at"),
)
