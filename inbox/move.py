"""Someone has another account now, and whoever follows them follows them there.

FEP-7628, https://swicg.github.io/activitypub-data-portability/: both accounts must say so. The old
one by sending this, the new one in its own document, as its own server serves it just now.
"""

from actors import profile, remote
from federation import keys, vocabulary
from federation.activity import Activity
from federation.errors import Refused, WireError
from inbox import concerned
from outbox import follow, parting
from storage import actors, follows, standing
from storage.actors import Actor
from storage.database import Transaction

LATELY = "they moved less than a week ago"


def screen(tx: Transaction, activity: Activity) -> None:
    """Raise Refused, before the new account is asked, for what the old one cannot say."""
    old = concerned.sender(tx, activity)
    if vocabulary.uri_of(activity.object, activity.rules) != old.uri:
        raise Refused("nobody moves anybody else")
    if vocabulary.uri_of(activity.target, activity.rules) == old.uri:
        raise Refused("they moved to where they were")
    if old.moved_at is not None and tx.now - old.moved_at < standing.BETWEEN_MOVES:
        raise Refused(LATELY)


def receive(tx: Transaction, activity: Activity) -> None:
    """Note the move, tell our people who follow them, and let those follow the new account.

    Raises Refused unless both accounts say so, and for a second move within a week.
    """
    screen(tx, activity)
    concerned.not_taken_back(tx, activity)
    old = concerned.sender(tx, activity)
    new = _target(tx, activity, old)
    if not standing.move(tx, old.id, new.uri):
        raise Refused(LATELY)
    for uri, follower in follows.our_followers(tx, old.id):
        _take_along(tx, follower, old, new, uri)


def _target(tx: Transaction, activity: Activity, old: Actor) -> Actor:
    """The new account, which names the old one among its own; raises Refused for any other."""
    uri = vocabulary.uri_of(activity.target, activity.rules)
    if uri.startswith(f"{tx.school.url}/"):
        new = actors.by_uri(tx, uri)
        known_as = profile.of(new).aliases if new is not None and new.local else ()
    else:
        document = activity.fetched.get(vocabulary.id_of(activity.target) or "")
        if document is None:
            raise Refused("what the new account says of itself could not be had")
        read = remote.fields(document, activity.rules)
        if vocabulary.uri_of(document, activity.rules) != uri:
            raise Refused("the new account has another id than the one it is called by")
        new = remote.save(tx, read, keys.listed(document))
        known_as = tuple(vocabulary.uris_of(remote.aliases(document), activity.rules))
    if new is None or old.uri not in known_as:
        raise Refused("the new account does not say that it was the old one")
    if new.state != "active" or new.moved_to:
        raise Refused("the new account is suspended, or moved on itself")
    return new


def _take_along(tx: Transaction, follower: Actor, old: Actor, new: Actor, uri: str) -> None:
    """One of ours follows the new account in the place of the old one, and is told.

    Whoever cannot follow it, because they are kept apart or it is themselves, only leaves the old.
    """
    follows.remove(tx, follower.id, old.id)
    if not old.local:
        parting.unfollow(tx, follower, old, uri)
    concerned.notify(tx, follower, "move", new)
    if follows.get(tx, follower.id, new.id) is not None:
        return
    try:
        follow.send(tx, follower, {"type": "Follow", "object": new.uri})
    except WireError:
        return
