"""What an activity speaks of and we have not got: had from where it lives, before any transaction.

A document is true only as its own server serves it (SECURITY R2, R5). What its author sent along
counts; a copy of anybody else's is a hint, dropped and fetched. All of it together, authors, keys
and redirects included, is a few requests, and fewer to any one third server (R20).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from actors import admission, budget, copies, remote
from actors.budget import Budget
from actors.server import Server
from federation import activity as activities
from federation import addresses, keys, proofs, vocabulary
from federation.activity import Activity
from federation.errors import BadSignature, Malformed, Refused, Unreachable
from inbox import concerned, dispatch, posts
from inbox.dispatch import Handler, Screen
from storage import actors, objects, published
from storage.database import Transaction
from storage.keys import Key

# Documents for one activity, keys that are tried for it, and seconds for all of it.
FETCHES = 10
PROOFS = 2
DEADLINE = 30.0

# Inner activities whose object may be had from its own server when nobody vouches for them.
OF_A_POST = frozenset({"Create", "Update"})
# What concerns others than its first copy did, when a project passes it on.
FOR_OTHERS = frozenset({"Join"})

# Activities that name people, who need not be asked again once they are known.
ABOUT_PEOPLE = frozenset({"Add", "Invite"})


async def supplied(server: Server, activity: Activity) -> tuple[Activity, ...]:
    """The activity with what its handler needs; before it the one it passes on, if proven.

    Raises Unreachable if something cannot be had now; Refused, Malformed or Gone if never, and
    Refused too for what would have us ask too much.
    """
    handler = dispatch.HANDLERS.get(activity.type)
    if handler is None or complete(activity):
        return (activity,)
    home = addresses.authority(activity.actor, activity.rules)
    try:
        async with asyncio.timeout(DEADLINE):
            with budget.spending(Budget(home)):
                return await _supplied(server, activity, handler)
    except TimeoutError as error:
        raise Unreachable(home, "slow") from error


async def _supplied(server: Server, activity: Activity, handler: Handler) -> tuple[Activity, ...]:
    if _carries_another(activity):
        return await _unwrapped(server, activity)
    return (await _with_documents(server, activity, handler),)


def complete(activity: Activity) -> bool:
    """Whether all that its handler needs is in the activity itself. Raises Malformed."""
    handler = dispatch.HANDLERS.get(activity.type)
    if handler is None or not handler.fetch:
        return True
    if _carries_another(activity):
        return False
    return not _doubtful(activity, handler)


def _doubtful(activity: Activity, handler: Handler) -> list[Any]:
    """What the activity names and does not bring along in a form that counts."""
    named = [vocabulary.one(activity.json.get(name)) for name in handler.fetch]
    return [
        subject
        for subject in named
        if vocabulary.id_of(subject) is not None and not _in_hand(activity, subject, handler)
    ]


async def _with_documents(server: Server, activity: Activity, handler: Handler) -> Activity:
    doubtful = _doubtful(activity, handler)
    if not doubtful:
        return activity
    wanted = await server.database.read(_wanted, server.mode, activity, doubtful, handler.screen)
    fetched: dict[str, dict[str, Any]] = dict(activity.fetched)
    for uri in wanted[:FETCHES]:
        document = await remote.fetch(server, uri)
        fetched[uri] = document
        if vocabulary.type_of(document) not in remote.ACTOR_TYPES:
            await remote.actor(server, copies.author_uri(document, activity.rules))
    return replace(activity, fetched=fetched)


def _in_hand(activity: Activity, subject: Any, handler: Handler) -> bool:
    """Whether it may be read from the activity, or will be refused whatever its server says."""
    if activity.type == "Move":
        return False  # both sides must say so, and only its own server speaks for the target
    at_home = posts.at_home(subject, activity)
    if activity.type == "Update" and not at_home:
        return True  # nobody changes what lives elsewhere
    if not at_home or not isinstance(subject, dict):
        return False
    own = activity.actor in vocabulary.ids_of(subject.get("attributedTo"))
    return own or not handler.passes_on


def _wanted(
    tx: Transaction, mode: str, activity: Activity, doubtful: list[Any], screen: Screen | None
) -> list[str]:
    """The ids to fetch: not ours, and not kept already unless they may have changed.

    Raises Refused for those of hosts that we do not talk to, and for what is refused anyway.
    """
    if screen is not None:
        screen(tx, activity)
    found = []
    for subject in doubtful:
        uri = vocabulary.uri_of(subject, activity.rules)
        host = addresses.authority(uri, activity.rules)
        if host == tx.school.host:
            continue
        if activity.type != "Update" and objects.by_uri(tx, uri) is not None:
            continue
        admission.admit(tx, mode, host)
        if activity.type in ABOUT_PEOPLE and _met(tx, uri):
            continue
        named = vocabulary.id_of(subject)
        if named is not None:
            found.append(named)
    return found


def _met(tx: Transaction, uri: str) -> bool:
    known = actors.by_uri(tx, uri)
    return known is not None and known.fetched_at is not None


# --- an activity inside an Announce ---------------------------------------------------------------


def _carries_another(activity: Activity) -> bool:
    """Whether it passes on what somebody did, rather than a post."""
    subject = vocabulary.one(activity.object)
    return (
        activity.type == "Announce"
        and isinstance(subject, dict)
        and not set(vocabulary.types_of(subject)).isdisjoint(dispatch.HANDLERS)
        and vocabulary.id_of(subject.get("actor")) is not None
    )


async def _unwrapped(server: Server, announce: Activity) -> tuple[Activity, ...]:
    """A group passes on what a member did. With the member's own proof it counts as theirs.

    Without it the post it is about is had from its own server, and anything else is dropped.
    """
    inner = dispatch.typed(activities.read(vocabulary.one(announce.object), announce.rules))
    inner = replace(inner, passed_on_by=announce.actor)
    about = vocabulary.id_of(inner.object)
    boost = replace(announce, json={**announce.json, "object": about})
    if addresses.authority(inner.actor, inner.rules) == server.school.host:
        return await _of_ours(server, inner, boost)
    if not await _proven(server, inner):
        if inner.type not in OF_A_POST:
            raise Refused("an activity of somebody else, without their proof")
        return (await _with_documents(server, boost, dispatch.HANDLERS["Announce"]),)
    handler = dispatch.HANDLERS[inner.type]
    if handler.passes_on:
        raise Refused("an announcement of an announcement")
    known = await _with_documents(server, inner, handler)
    return (known, boost) if inner.type == "Create" else (known,)


async def _proven(server: Server, inner: Activity) -> bool:
    """Whether its own actor vouches for it (FEP-8b32)."""
    try:
        await prove(server, inner)
    except BadSignature:
        return False
    return True


async def _of_ours(server: Server, inner: Activity, boost: Activity) -> tuple[Activity, ...]:
    """What one of our own people did comes back. It had its effect when they did it, and counts
    as our own record says it; a request is there for others here to see."""
    sent = await server.database.read(_as_sent, inner)
    if sent is None:
        raise Refused("nobody here did that")
    if inner.type == "Create":
        return (boost,)
    return (replace(inner, json=activities.parse(sent)),) if inner.type in FOR_OTHERS else ()


def _as_sent(tx: Transaction, inner: Activity) -> bytes | None:
    actor = actors.by_uri(tx, inner.actor)
    known = None if actor is None else published.own(tx, actor.id, inner.id)
    return None if known is None else known.document or None


async def prove(server: Server, activity: Activity) -> None:
    """Raise BadSignature unless the document carries a good proof by its own actor.

    May fetch the actor's key. Raises Refused for a host we do not talk to, Unreachable.
    """
    for method in _own_methods(activity):
        key = await remote.key(server, method)
        owner = await server.database.read(actors.by_id, key.actor_id)
        if owner is not None and owner.uri == activity.actor:
            try:
                vouched_for(server, activity, key)
            except BadSignature:
                fresh = await remote.refreshed_key(server, method)
                if fresh is None or fresh.public == key.public:
                    raise
                vouched_for(server, activity, fresh)
            concerned.in_good_standing(activity.type, owner.state)
            return
    raise BadSignature("neither the signer nor a proof is the actor's")


def vouched_for(server: Server, activity: Activity, key: Key) -> None:
    """Raise BadSignature unless that key made a proof of exactly this document."""
    proofs.verify(activity.json, key.uri, keys.load(key.public), server.now())


def _own_methods(activity: Activity) -> Iterator[str]:
    """The ids of the keys that made its proofs, as far as they live where the actor does."""
    for method in proofs.method_of(activity.json)[:PROOFS]:
        try:
            if addresses.same_origin(method, activity.actor, activity.rules):
                yield method
        except Malformed:
            continue
