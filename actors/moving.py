"""Somebody has another account now: what must be true before anybody believes it.

Both accounts say so. The old one by asking for it, the new one by naming the old one among its own
(`alsoKnownAs`), as its own server serves it just now. The same checks stand at the school that
somebody leaves and at every other that hears of it.
https://swicg.github.io/activitypub-data-portability/, FEP-7628
"""

import json
from datetime import datetime, timedelta

from actors import profile, remote
from federation import vocabulary
from federation.addresses import Rules
from federation.errors import Refused
from storage.actors import Actor
from storage.database import Transaction

# When somebody's server is asked again, and how long anything about a move is waited for.
SHORTEST = timedelta(seconds=5)
LONGEST = timedelta(hours=6)
PATIENCE = timedelta(days=60)


def aliases(actor: Actor, rules: Rules) -> tuple[str, ...]:
    """The ids that an actor says it had before: ours in the profile, others when last fetched."""
    if actor.local:
        return profile.of(actor).aliases
    listed = remote.aliases(json.loads(actor.document))
    return tuple(vocabulary.uris_of(listed, rules))


def confirmed(old: Actor, new: Actor, rules: Rules) -> None:
    """Raise Refused unless `new`, as known just now, is where `old` can have gone."""
    if new.id == old.id:
        raise Refused("they moved to where they were")
    if old.uri not in aliases(new, rules):
        raise Refused("the new account does not say that it was the old one")
    if new.state != "active" or new.moved_to:
        raise Refused("the new account is suspended, or moved on itself")


def stays_until(tx: Transaction, actor: Actor) -> datetime | None:
    """Until when nobody is led on from this account, which moved or was moved to; None: free."""
    if actor.moved_at is None:
        return None
    until = actor.moved_at + tx.school.between_moves
    return until if until > tx.now else None


def in_days(tx: Transaction) -> str:
    """How long somebody stays where they went, in words."""
    days = tx.school.between_moves.days
    return {1: "a day", 7: "a week"}.get(days, f"{days} days")
