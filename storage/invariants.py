"""What the rows of a sound school say of each other, one sentence after the other.

Each is a condition that no row of its table may fulfil. What is a constraint already, a reference
or a uniqueness, stands in `storage/tables.py`, and `storage/checks.py` looks whether it holds.
SECURITY §4: each received id once; each effect has its cause; each delivery is done, waits in a
lane that is due, or ended with its reason; counters equal rows; nobody's row is hidden from them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
)

from storage import audience, sql, tables
from storage.tables import (
    Moment,
    accounts,
    actors,
    announces,
    arrivals,
    blocks,
    deliveries,
    follows,
    keys,
    likes,
    memberships,
    moves,
    notifications,
    objects,
    poll_options,
    polls,
    published,
    received,
    timelines,
    tombstones,
    votes,
    wanted,
)
from storage.tables import peers as peers_
from storage.transaction import Transaction

# Nothing is put off for longer, and nobody has anything in hand for longer.
LONGEST_WAIT = timedelta(days=30)
LONGEST_LEASE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Invariant:
    """`rule` holds for every row of `table`: `which` is true for those that break it."""

    name: str
    rule: str
    table: Table
    which: ColumnElement[bool]


# --- the words that the conditions are made of ---------------------------------------------------


def _is_local(actor_id: ColumnElement[int]) -> ColumnElement[bool]:
    ours = actors.alias()
    return sql.any_row([ours], ours.c.id == actor_id, ours.c.peer_id.is_(None))


def _is_gone(actor_id: ColumnElement[int]) -> ColumnElement[bool]:
    gone = actors.alias()
    return sql.any_row([gone], gone.c.id == actor_id, gone.c.state == "deleted")


def _is_active(actor_id: ColumnElement[int]) -> ColumnElement[bool]:
    ours = actors.alias()
    return sql.any_row(
        [ours], ours.c.id == actor_id, ours.c.peer_id.is_(None), ours.c.state == "active"
    )


def _begins_with(text: ColumnElement[str], start: ColumnElement[str]) -> ColumnElement[bool]:
    return func.substr(text, 1, func.length(start) + 1) == start + "/"


def _deleted(object_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The post was deleted; not because its author went, whose rows are cleared away bit by bit."""
    post = objects.alias()
    return sql.any_row(
        [post], post.c.id == object_id, post.c.deleted_at.is_not(None), ~_is_gone(post.c.author_id)
    )


def _sent_or_came(uri: ColumnElement[str], actor_id: ColumnElement[int]) -> ColumnElement[bool]:
    """The activity `uri` of this actor stands in what we sent, or in what came."""
    who, came, sent = actors.alias(), received.alias(), published.alias()
    return or_(
        sql.any_row([sent], sent.c.uri == uri, sent.c.actor_id == actor_id),
        sql.any_row(
            [who, came], who.c.id == actor_id, came.c.uri == uri, came.c.actor_uri == who.c.uri
        ),
    )


# Set by whoever asks: see `moments`.
_FAR = bindparam("farthest_wait", type_=Moment())
_LONG = bindparam("longest_lease", type_=Moment())


def moments(tx: Transaction) -> dict[str, Any]:
    """What the conditions below run with."""
    return {"farthest_wait": tx.now + LONGEST_WAIT, "longest_lease": tx.now + LONGEST_LEASE}


# --- the school, and who is in it ----------------------------------------------------------------

_NOT_OURS = "belongs to one of our own people"
_PERSONAL: tuple[Column[Any], ...] = (
    accounts.c.actor_id,
    tables.tokens.c.actor_id,
    tables.sessions.c.actor_id,
    arrivals.c.owner_id,
    timelines.c.reader_id,
    notifications.c.owner_id,
    published.c.actor_id,
)
_school, _key, _project = tables.school.alias(), keys.alias(), tables.projects.alias()
_OURS = actors.c.peer_id.is_(None)


def _signs(algorithm: str) -> ColumnElement[bool]:
    return sql.any_row(
        [_key],
        _key.c.actor_id == actors.c.id,
        _key.c.algorithm == algorithm,
        _key.c.private.is_not(None),
    )


_PEOPLE = (
    Invariant(
        "another school's actor",
        "the id of each actor of ours begins with the address of this school",
        actors,
        and_(_OURS, ~sql.any_row([_school], _begins_with(actors.c.uri, _school.c.url))),
    ),
    Invariant(
        "actor without a key",
        "each active actor of ours has an RSA and an Ed25519 key to sign with",
        actors,
        and_(_OURS, actors.c.state == "active", ~and_(_signs("rsa"), _signs("ed25519"))),
    ),
    Invariant(
        "key of others",
        "only our own actors have private keys here",
        keys,
        and_(keys.c.private.is_not(None), ~_is_local(keys.c.actor_id)),
    ),
    *(
        Invariant(
            f"stranger in {column.table.name}",
            f"each row of {column.table.name} {_NOT_OURS}",
            column.table,
            ~_is_local(column),
        )
        for column in _PERSONAL
    ),
    Invariant(
        "suspension without effect",
        "whoever our administrator suspended is not active",
        actors,
        and_(actors.c.suspended_here, actors.c.state == "active"),
    ),
    Invariant(
        "project without its terms",
        "each active group of ours is a project, open or private",
        actors,
        and_(
            _OURS,
            actors.c.type == "Group",
            actors.c.state == "active",
            ~sql.any_row([_project], _project.c.actor_id == actors.c.id),
        ),
    ),
    Invariant(
        "membership out of order",
        "a membership began once it is one, and ends after it began",
        memberships,
        or_(
            and_(memberships.c.state == "member", memberships.c.began_at.is_(None)),
            memberships.c.ended_at < memberships.c.created_at,
        ),
    ),
)

# --- what is said --------------------------------------------------------------------------------

_author, _create, _stone = actors.alias("author"), published.alias("create"), tombstones.alias()
_AFTERLIFE = (
    likes,
    announces,
    timelines,
    notifications,
    tables.featured,
    tables.hashtags,
    polls,
)

_POSTS = (
    Invariant(
        "post that was never sent",
        "each post of ours has the Create that it began with",
        objects,
        and_(
            _is_local(objects.c.author_id),
            ~sql.any_row(
                [_create], _create.c.object_uri == objects.c.uri, _create.c.type == "Create"
            ),
        ),
    ),
    Invariant(
        "deleted post that speaks",
        "of a deleted post nothing is left but its tombstone",
        objects,
        and_(
            objects.c.deleted_at.is_not(None),
            or_(objects.c.content != "", objects.c.summary.is_not(None)),
        ),
    ),
    Invariant(
        "deleted post that lives",
        "what its author deleted before it came was not taken in later",
        objects,
        and_(
            objects.c.deleted_at.is_(None),
            sql.any_row(
                [_stone, _author],
                _stone.c.uri == objects.c.uri,
                _author.c.id == objects.c.author_id,
                _author.c.uri == _stone.c.actor_uri,
            ),
        ),
    ),
    Invariant(
        "post hidden from its author",
        "whoever writes a post can see it",
        objects,
        and_(
            _is_active(objects.c.author_id),
            ~audience.visible_to(objects.c.author_id, true()),
        ),
    ),
    *(
        Invariant(
            f"{table.name} of a deleted post",
            f"no row of {table.name} is about a post that was deleted",
            table,
            _deleted(table.c.object_id),
        )
        for table in _AFTERLIFE
    ),
    *(
        Invariant(
            f"{table.name} without a cause",
            f"the activity of each row in {table.name} was sent by us or came to us",
            table,
            ~_sent_or_came(table.c.uri, table.c[who]),
        )
        for table, who in (
            (likes, "actor_id"),
            (announces, "actor_id"),
            (blocks, "actor_id"),
            (follows, "follower_id"),
        )
    ),
    Invariant(
        "notification of nothing",
        "what our people are told about a post names the post",
        notifications,
        and_(
            notifications.c.kind.in_(("mention", "reply", "like", "announce", "poll")),
            notifications.c.object_id.is_(None),
        ),
    ),
)

# --- polls: the figures are counted as votes come, and must be what was voted ---------------------

_option, _vote = poll_options.alias(), votes.alias()
_VOTES_FOR_IT = (
    select(func.count())
    .where(_vote.c.object_id == poll_options.c.object_id)
    .where(_vote.c.position == poll_options.c.position)
    .scalar_subquery()
)
_VOTERS = (
    select(func.count(_vote.c.actor_id.distinct()))
    .where(_vote.c.object_id == polls.c.object_id)
    .scalar_subquery()
)
_VOTES = (
    select(func.coalesce(func.sum(_option.c.votes), 0))
    .where(_option.c.object_id == polls.c.object_id)
    .scalar_subquery()
)


def _our_poll(object_id: ColumnElement[int]) -> ColumnElement[bool]:
    post = objects.alias()
    return sql.any_row([post], post.c.id == object_id, _is_local(post.c.author_id))


_POLLS = (
    Invariant(
        "poll that miscounts",
        "each choice of our polls has as many votes as it was given: "
        "more only where somebody who voted is gone",
        poll_options,
        and_(_our_poll(poll_options.c.object_id), poll_options.c.votes < _VOTES_FOR_IT),
    ),
    Invariant(
        "poll that miscounts voters",
        "in our polls everybody who voted counts once, and every vote has its voter",
        polls,
        and_(
            _our_poll(polls.c.object_id),
            or_(
                polls.c.voters < _VOTERS,
                polls.c.voters > _VOTES,
                and_(~polls.c.several, polls.c.voters != _VOTES),
            ),
        ),
    ),
    Invariant(
        "vote for nothing",
        "each vote is for a choice of its poll",
        votes,
        ~sql.any_row(
            [_option],
            _option.c.object_id == votes.c.object_id,
            _option.c.position == votes.c.position,
        ),
    ),
)

# --- what arrived, and what waits to be done -----------------------------------------------------

_came = received.alias("came")

_ARRIVALS = (
    Invariant(
        "arrival aside without a reason",
        "what was set aside says why",
        received,
        and_(received.c.state == "aside", func.coalesce(received.c.reason, "") == ""),
    ),
    Invariant(
        "arrival that is never due",
        f"what arrived is worked on, or tried again within {LONGEST_WAIT.days} days",
        received,
        and_(received.c.state == "new", received.c.due_at > _FAR),
    ),
    Invariant(
        "arrival held for ever",
        "nobody has what arrived in hand for longer than a day, nor once it is done",
        received,
        or_(
            received.c.claimed_until > _LONG,
            and_(received.c.state != "new", received.c.claimed_until.is_not(None)),
        ),
    ),
    Invariant(
        "arrival shown before its effect",
        "what lies in an inbox was worked on",
        arrivals,
        ~sql.any_row([_came], _came.c.id == arrivals.c.received_id, _came.c.state == "done"),
    ),
    Invariant(
        "conversation held for ever",
        "nobody has what is to be fetched in hand for longer than a day",
        wanted,
        or_(wanted.c.claimed_until > _LONG, wanted.c.due_at > _FAR),
    ),
    Invariant(
        "move that stands still",
        "a move that is under way has a next step, one that ended has none",
        moves,
        or_(
            and_(moves.c.ended_at.is_(None), moves.c.due_at.is_(None)),
            and_(moves.c.ended_at.is_not(None), moves.c.due_at.is_not(None)),
            moves.c.due_at > _FAR,
        ),
    ),
)

# --- what we send --------------------------------------------------------------------------------

_lane, _sent, _waiting = peers_.alias("lane"), published.alias("sent"), deliveries.alias("waiting")

_DELIVERIES = (
    Invariant(
        "delivery in no lane",
        "what waits to be delivered waits in a lane that is due some day",
        deliveries,
        and_(
            deliveries.c.state == "waiting",
            ~sql.any_row([_lane], _lane.c.id == deliveries.c.peer_id, _lane.c.due_at.is_not(None)),
        ),
    ),
    Invariant(
        "delivery that says nothing",
        "what waits to be delivered has its words",
        deliveries,
        and_(
            deliveries.c.state == "waiting",
            ~sql.any_row(
                [_sent],
                _sent.c.id == deliveries.c.activity_id,
                func.length(_sent.c.document) > 0,
            ),
        ),
    ),
    Invariant(
        "delivery that nobody can sign",
        "whoever sent what waits to be delivered still has a key to sign with",
        deliveries,
        and_(
            deliveries.c.state == "waiting",
            ~sql.any_row(
                [_sent, _key],
                _sent.c.id == deliveries.c.activity_id,
                _key.c.actor_id == _sent.c.actor_id,
                _key.c.algorithm == "rsa",
                _key.c.private.is_not(None),
            ),
        ),
    ),
    Invariant(
        "delivery out of order",
        "what is delivered or given up has ended, and what waits has not",
        deliveries,
        (deliveries.c.state == "waiting") != deliveries.c.ended_at.is_(None),
    ),
    Invariant(
        "delivery given up without a reason",
        "what was given up or set aside says why",
        deliveries,
        and_(
            deliveries.c.state.in_(("over", "aside")), func.coalesce(deliveries.c.reason, "") == ""
        ),
    ),
    Invariant(
        "lane that is never due",
        f"a lane is tried again within {LONGEST_WAIT.days} days, and held for a day at most",
        peers_,
        or_(peers_.c.due_at > _FAR, peers_.c.leased_until > _LONG),
    ),
)

EVERY = (*_PEOPLE, *_POSTS, *_POLLS, *_ARRIVALS, *_DELIVERIES)
