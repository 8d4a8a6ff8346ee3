"""Everything that one of our actors can do, one line each.

`fetch` names what must be known of other servers beforehand, since no transaction waits for the
network: whose id stands there, an actor's or a post's; "fresh" is an actor as their server knows
them just now. Whoever is addressed is always looked up.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from federation.errors import Malformed, Refused
from federation.vocabulary import type_of
from outbox import (
    accept,
    add,
    announce,
    block,
    create,
    delete,
    flag,
    follow,
    invite,
    join,
    leave,
    like,
    move,
    reject,
    remove,
    undo,
    update,
)
from storage import actors
from storage.actors import Actor
from storage.database import Transaction

Send = Callable[[Transaction, Actor, dict[str, Any]], str]
Fetch = Mapping[str, Literal["actor", "fresh", "post"]]


@dataclass(frozen=True)
class Verb:
    """`moved`: whether somebody who moved to another school may still do it here."""

    send: Send
    fetch: Fetch = field(default_factory=dict)
    moved: bool = False


def table(*rows: tuple[str, Verb]) -> dict[str, Verb]:
    """The rows as a dictionary. Raises ValueError if one stands there twice."""
    return dict(_once(rows))


def _once(rows: Iterable[tuple[str, Verb]]) -> Iterable[tuple[str, Verb]]:
    seen: set[str] = set()
    for name, verb in rows:
        if name in seen:
            raise ValueError(f"{name} is registered twice")
        seen.add(name)
        yield name, verb


# What a post may point to: what it answers, what it quotes.
_POINTED_TO: tuple[str, ...] = ("inReplyTo", "quote", "quoteUrl")

VERBS = table(
    ("Create", Verb(create.send, fetch=dict.fromkeys(_POINTED_TO, "post"))),
    ("Update", Verb(update.send, moved=True)),
    ("Delete", Verb(delete.send, moved=True)),
    ("Follow", Verb(follow.send, fetch={"object": "actor"})),
    ("Accept", Verb(accept.send)),
    ("Reject", Verb(reject.send, moved=True)),
    ("Undo", Verb(undo.send, moved=True)),
    ("Like", Verb(like.send, fetch={"object": "post"})),
    ("Announce", Verb(announce.send, fetch={"object": "post"})),
    ("Block", Verb(block.send, fetch={"object": "actor"}, moved=True)),
    ("Join", Verb(join.send, fetch={"object": "actor"})),
    ("Leave", Verb(leave.send, moved=True)),
    ("Invite", Verb(invite.send, fetch={"target": "actor"})),
    ("Flag", Verb(flag.send, moved=True)),
    ("Add", Verb(add.send)),
    ("Remove", Verb(remove.send, moved=True)),
    ("Move", Verb(move.send, fetch={"target": "fresh"}, moved=True)),
)


def verb_of(activity: Mapping[str, Any]) -> Verb:
    """What `activity` asks for. Raises Malformed for what nobody here can do."""
    kind = type_of(activity)
    if kind not in VERBS:
        raise Malformed(f"{kind or 'an activity without type'} cannot be sent from here")
    return VERBS[kind]


def send(tx: Transaction, actor_id: int, activity: dict[str, Any]) -> str:
    """Do `activity` in the name of one of ours; its id.

    Raises Refused for an actor who is suspended, deleted or moved away, and what the verb raises.
    """
    verb = verb_of(activity)
    actor = actors.by_id(tx, actor_id)
    if actor is None or not actor.local or actor.state != "active":
        raise Refused("this account is not active")
    if actor.moved_to and not verb.moved:
        raise Refused(f"this account moved to {actor.moved_to}")
    return verb.send(tx, actor, activity)
