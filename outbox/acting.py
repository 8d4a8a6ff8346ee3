"""One of our people does something: whatever must be known of others is had first, then it is done.

The network first: what the activity is about, whom its words mention and whom it addresses. Then
one transaction, in which everything happens or nothing. Programs (`api/outbox.py`) and pages both
come through here. https://www.w3.org/TR/activitypub/#client-to-server-interactions
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from actors import admission, copies, handles, local, remote
from actors.server import Server
from federation import addresses
from federation.addresses import Rules
from federation.errors import Gone, Malformed, WireError
from federation.vocabulary import (
    MOST_MENTIONS,
    MOST_RECIPIENTS,
    PUBLIC,
    addressing,
    id_of,
    many,
    type_of,
)
from outbox import dispatch, typed
from storage import actors, objects, projects
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction

log = logging.getLogger("outbox.acting")

FETCHES_AT_ONCE = 10
MOST_LOOK_UPS = 10
LOOK_UP_SECONDS = 10.0

# What carries words of our own people's.
_WRITING = ("Create", "Update")


async def act(server: Server, actor: Actor, activity: dict[str, Any]) -> str:
    """Do `activity` in the name of our `actor`; the id that it was given.

    Posts and people may be named by their id, people also by their handle. Raises Malformed for
    what cannot be done as it stands, Refused for what our actor may not do: both say why in words
    for the person. What was given is not changed.
    """
    verb = dispatch.verb_of(activity)
    given = dict(activity)
    if isinstance(given.get("object"), dict):
        given["object"] = dict(given["object"])
    await _know_what_it_is_about(server, actor, given, verb.fetch)
    await _know_mentioned(server, given)
    await _know_addressed(server, actor, given)
    return await server.database.write(dispatch.send, actor.id, given)


# --- what it is about ----------------------------------------------------------------------------


async def _know_what_it_is_about(
    server: Server, actor: Actor, activity: dict[str, Any], fetch: dispatch.Fetch
) -> None:
    """Have what the verb names of other servers, and put its id as we keep it in its place."""
    for name, kind in fetch.items():
        # What a post answers stands in the post itself.
        holder = activity if name in activity else activity.get("object")
        said = id_of(holder.get(name)) if isinstance(holder, dict) else None
        if said is None or not isinstance(holder, dict):
            continue
        if kind in ("actor", "fresh"):
            max_age = timedelta(0) if kind == "fresh" else None
            holder[name] = await _known_actor(server, actor, said, max_age)
        else:
            holder[name] = await _known_post(server, actor, said)


async def _known_actor(
    server: Server, actor: Actor, said: str, max_age: timedelta | None = None
) -> str:
    """The id of an actor we now know, from its id or handle. Raises Malformed, naming it."""
    try:
        uri = said
        if said.startswith(("acct:", "@")):
            uri = (await handles.find(server, said)).uri
        return (await _there_for(server, actor, uri, max_age)).uri
    except Gone:
        raise Malformed(f"{said}: there is no such actor") from None
    except WireError as error:
        raise Malformed(f"{said}: {error}") from error


async def _there_for(
    server: Server, actor: Actor, uri: str, max_age: timedelta | None = None
) -> Actor:
    """The actor with that id, known or fetched; a private project that our actor may not know of
    is looked for, and not found, like one that is not there."""
    found = await remote.actor(server, uri, max_age=max_age)
    if await server.database.read(projects.hidden, actor.id, found):
        await remote.fetch(server, uri)
        raise Gone(uri, 404)
    return found


async def _known_post(server: Server, actor: Actor, said: str) -> str:
    """The id of a post that is here now, if our actor may have it; else what was said.

    That there is no such post says the verb, in the same words as for one that is not for our
    actor: it is asked for like one that is not here, so that nobody learns the difference.
    """
    viewer = Viewer(actor.id, local=True)
    if await server.database.read(objects.seen_by_uri, viewer, said) is not None:
        return said
    try:
        return (await copies.fetch(server, said)).uri
    except WireError as error:
        log.info("a post could not be had: %s", error)
        return said


# --- whom its words mention ----------------------------------------------------------------------


async def _know_mentioned(server: Server, activity: dict[str, Any]) -> None:
    """Find out who is meant by the handles in the words, and say so among the tags.

    Whoever cannot be found in time is no reason not to post: then the handle stays text.
    """
    post = activity.get("object")
    if type_of(activity) not in _WRITING or not isinstance(post, dict):
        return
    # A long text takes a while to read: not on the loop that everybody shares.
    wanted = await asyncio.to_thread(typed.handles, post)
    known = await server.database.read(_known_by_handle, server.mode, wanted, server.rules)
    unknown = [handle for handle in wanted if "@" in handle and handle not in known]
    known |= await _looked_up(server, unknown[:MOST_LOOK_UPS])
    if known:
        tags = [typed.named(handle, uri) for handle, uri in known.items()]
        post["tag"] = [*many(post.get("tag")), *tags]


def _known_by_handle(tx: Transaction, mode: str, wanted: list[str], rules: Rules) -> dict[str, str]:
    """The ids of people of other schools whom we know by these handles, and whom we talk to.

    Where two share a handle, their server is asked again whom it means. No more are looked at
    than a post may mention.
    """
    found: dict[str, str] = {}
    for handle in [one for one in wanted if "@" in one][:MOST_MENTIONS]:
        username, _, host = handle.partition("@")
        known = actors.by_handle(tx, username, _spelled(host, rules))
        active = [person for person in known if person.state == "active" and met(person)]
        if len(active) == 1:
            with suppress(WireError):
                admission.admit(tx, mode, addresses.authority(active[0].uri, rules))
                found[handle] = active[0].uri
    return found


def _spelled(host: str, rules: Rules) -> str:
    try:
        return addresses.host(host, rules)
    except Malformed:
        return ""


async def _looked_up(server: Server, unknown: list[str]) -> dict[str, str]:
    """The ids of those who could be found within a few seconds, by handle."""

    async def ask(handle: str) -> tuple[str, str] | None:
        try:
            return handle, (await handles.find(server, handle)).uri
        except WireError as error:
            log.info("a handle stays text: %s", error)
            return None

    asking = [asyncio.create_task(ask(handle)) for handle in unknown]
    if not asking:
        return {}
    answered, late = await asyncio.wait(asking, timeout=LOOK_UP_SECONDS)
    for task in late:
        task.cancel()
    return dict(found for task in answered if (found := task.result()) is not None)


# --- whom it addresses ---------------------------------------------------------------------------


async def _know_addressed(server: Server, actor: Actor, activity: dict[str, Any]) -> None:
    """Make sure that everyone addressed is known and that we talk to their servers."""
    everyone = {PUBLIC, actor.followers, local.members_uri(server.school)}
    wanted = [uri for uri in addressing(activity).everyone if uri not in everyone]
    if len(wanted) > MOST_RECIPIENTS:
        raise Malformed(f"more than {MOST_RECIPIENTS} recipients")
    known, members = await server.database.read(_known_addresses, actor, wanted)
    hosts = {uri: addresses.authority(uri, server.rules) for uri in known if not known[uri].local}
    await server.database.read(_admitted, server.mode, hosts)
    at_once = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def ask(uri: str) -> None:
        async with at_once:
            try:
                await _there_for(server, actor, uri)
            except WireError as error:
                raise Malformed(f"cannot address {uri}: {error}") from error

    await _all(ask(uri) for uri in wanted if uri not in known and uri not in members)


def _known_addresses(
    tx: Transaction, actor: Actor, wanted: list[str]
) -> tuple[dict[str, Actor], set[str]]:
    """Whom we know by these ids, and which are the members of a project; what our actor may not
    know of is among neither."""
    found = {
        uri: known
        for uri, known in actors.by_uris(tx, wanted).items()
        if met(known) and not projects.hidden(tx, actor.id, known)
    }
    members = {uri for uri in wanted if uri not in found and _is_of_members(tx, actor, uri)}
    return found, members


def _is_of_members(tx: Transaction, actor: Actor, uri: str) -> bool:
    project = projects.by_members(tx, uri)
    return project is not None and not projects.hidden(tx, actor.id, project)


def met(known: Actor) -> bool:
    """Whether we have more of somebody than what a project said of its members."""
    return known.local or known.fetched_at is not None


def _admitted(tx: Transaction, mode: str, hosts: dict[str, str]) -> None:
    for uri, host in hosts.items():
        try:
            admission.admit(tx, mode, host)
        except WireError as error:
            raise Malformed(f"cannot address {uri}: {error}") from error


async def _all(asking: Iterable[Any]) -> None:
    """Wait for all, then raise the first of their errors."""
    for outcome in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
