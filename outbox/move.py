"""One of our people goes to another school, and whoever follows them is asked to follow them there.

FEP-7628, https://swicg.github.io/activitypub-data-portability/: our page says where they went, the
servers of their followers, of the new account and of the projects they are in are told, and each
of these is written down, to be looked after until it came along (`outbox/moving.py`).
"""

from typing import Any

from actors import local, moving
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, embedded, id_of
from outbox.publish import publish
from storage import (
    actors,
    blocks,
    deliveries,
    farewells,
    keys,
    memberships,
    moved_things,
    moves,
    standing,
)
from storage import published as kept
from storage.actors import Actor
from storage.database import Transaction

# The ids of both accounts are in our spelling already.
_SPELLED = Rules(allow_http=True, allow_private=True)


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Move to the account that `activity` names as its target; the id of the Move.

    The target was fetched just now. Again to the same account: nothing happens. Raises Malformed
    for whom we do not know; Refused, in words, where the two accounts do not agree, and for a
    second move within the time that the school has set.
    """
    if id_of(activity.get("object")) != actor.uri:
        raise Refused("nobody moves anybody else: the object of a Move is yourself")
    uri = id_of(activity.get("target"))
    new = actors.by_uri(tx, uri) if uri is not None else None
    if new is None:
        raise Malformed("Move needs the id of your new account as its target")
    if actor.moved_to == new.uri and (before := farewells.latest(tx, actor.id)) is not None:
        return before
    _check(tx, actor, new)
    if not standing.move(tx, actor.id, new.uri):
        raise Refused(f"you moved less than {moving.in_days(tx)} ago")
    moved = actors.by_id(tx, actor.id)
    assert moved is not None
    return _tell(tx, moved, new)


def _check(tx: Transaction, actor: Actor, new: Actor) -> None:
    if actor.type != "Person" or new.type != "Person":
        raise Refused("only people move, to accounts of their own")
    if new.id == actor.id:
        raise Refused("you are there already")
    until = moving.stays_until(tx, actor)
    if until is not None:
        raise Refused(
            f"you moved less than {moving.in_days(tx)} ago: "
            f"you may move again from {until:%Y-%m-%d %H:%M} UTC on"
        )
    if blocks.between(tx, actor.id, new.id):
        raise Refused(f"cannot move to {new.uri}: one of the two accounts blocks the other")
    try:
        moving.confirmed(actor, new, _SPELLED)
    except Refused as error:
        raise Refused(f"cannot move to {new.uri}: {error}") from None


def _tell(tx: Transaction, actor: Actor, new: Actor) -> str:
    """Say that they are gone and where to, and write down what is to come along."""
    to_followers = [uri for uri in (actor.followers,) if uri]
    document = local.document(tx.school, actor, keys.of_actor(tx, actor.id))
    publish(
        tx,
        actor,
        {"type": "Update", "to": [PUBLIC], "cc": to_followers, "object": embedded(document)},
    )
    move = {"type": "Move", "object": actor.uri, "target": new.uri}
    sent = publish(tx, actor, {**move, "to": to_followers, "cc": [new.uri]})
    _tell_unnamed(tx, actor, sent)
    begun, _ = moves.begin(tx, actor.id, "out", new.id, due_at=tx.now)
    moved_things.expect_followers(tx, begun.id, actor.id)
    moved_things.expect_following(tx, begun.id, actor.id)
    moved_things.expect_projects(tx, begun.id, actor.id)
    return sent


def _tell_unnamed(tx: Transaction, actor: Actor, sent: str) -> None:
    """The servers of projects that they are in, and of who keeps apart from them, are told as well:
    else a role is left behind, and a block ends. Followers learn of neither."""
    move = kept.own(tx, actor.id, sent)
    assert move is not None
    member = (one.project_id for one in memberships.of_actor(tx, actor.id) if one.state == "member")
    unnamed = (*member, *farewells.blockers(tx, actor.id))
    deliveries.enqueue(tx, move.id, deliveries.To(shared=unnamed))
