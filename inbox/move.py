"""Someone has another account now, and whoever follows them follows them there.

FEP-7628, https://swicg.github.io/activitypub-data-portability/: both accounts must say so. The old
one by sending this, the new one in its own document, as its own server serves it just now. Blocks
about the old account hold for the new one too, the roles in our projects go along, and so do our
followers, the first few in the same commit and the others soon (`outbox/going_along.py`). Whom
somebody follows who came to our school is followed up there (`outbox/moving.py`).
"""

from actors import moving, remote
from federation import addresses, keys, vocabulary
from federation.activity import Activity
from federation.errors import Refused, WireError
from inbox import concerned, projects
from outbox import block, going_along
from storage import actors, blocks, moves, received, standing
from storage.actors import Actor
from storage.database import Transaction

# What servers call the account of one person.
PERSONAL = frozenset({"Person", "Service"})


def screen(tx: Transaction, activity: Activity) -> None:
    """Raise Refused, before the new account is asked, for what the old one cannot say."""
    old = concerned.sender(tx, activity)
    if vocabulary.uri_of(activity.object, activity.rules) != old.uri:
        raise Refused("nobody moves anybody else")
    target = vocabulary.uri_of(activity.target, activity.rules)
    if target == old.uri:
        raise Refused("they moved to where they were")
    if old.local:
        # Checked and noted when it was sent.
        if old.moved_to != target:
            raise Refused("they did not move there")
    elif moving.stays_until(tx, old) is not None:
        raise Refused(_lately(tx))


def receive(tx: Transaction, activity: Activity) -> None:
    """Note the move; whoever of us follows, blocks or works with them does so there.

    Raises Refused unless both accounts say so, and for a second move within the time set.
    """
    screen(tx, activity)
    concerned.not_taken_back(tx, activity)
    old = concerned.sender(tx, activity)
    new = _target(tx, activity, old)
    if not old.local and not standing.move(tx, old.id, new.uri):
        raise Refused(_lately(tx))
    for blocker in blocks.blockers_of(tx, old.id):
        _keep_apart(tx, blocker, new)
    going_along.begin(tx, old, new)
    projects.carry_over(tx, old, new)
    if new.local and not _came_before(tx, new, old):
        moves.begin(tx, new.id, "in", old.id, due_at=tx.now)
        # A project that heard of it sooner than we waits with what it said.
        received.heard(tx, addresses.authority(old.uri, activity.rules), tx.now)


def _came_before(tx: Transaction, new: Actor, old: Actor) -> bool:
    """Whether they came from there already, and did not leave since: some servers say it again,
    and whom they follow here no more is not to be followed for that."""
    for one in moves.of_actor(tx, new.id):
        if one.direction == "out":
            return False
        if one.other_id == old.id:
            return True
    return False


def _lately(tx: Transaction) -> str:
    return f"they moved less than {moving.in_days(tx)} ago"


def _target(tx: Transaction, activity: Activity, old: Actor) -> Actor:
    """The new account, which names the old one among its own; raises Refused for any other."""
    uri = vocabulary.uri_of(activity.target, activity.rules)
    new: Actor | None
    if uri.startswith(f"{tx.school.url}/"):
        new = actors.by_uri(tx, uri)
        if new is None or not new.local:
            raise Refused("the new account does not say that it was the old one")
    else:
        document = activity.fetched.get(vocabulary.id_of(activity.target) or "")
        if document is None:
            raise Refused("what the new account says of itself could not be had")
        read = remote.fields(document, activity.rules)
        if vocabulary.uri_of(document, activity.rules) != uri:
            raise Refused("the new account has another id than the one it is called by")
        new = remote.save(tx, read, keys.listed(document))
    moving.confirmed(old, new, activity.rules)
    if new.type != old.type and not {new.type, old.type} <= PERSONAL:
        raise Refused("people go to accounts of their own, and groups to groups")
    return new


def _keep_apart(tx: Transaction, blocker: Actor, new: Actor) -> None:
    """One of ours wants nothing to do with the new account either; the old block stays."""
    if blocker.id == new.id or blocks.get(tx, blocker.id, new.id) is not None:
        return
    try:
        block.send(tx, blocker, {"type": "Block", "object": new.uri})
    except WireError:
        return
