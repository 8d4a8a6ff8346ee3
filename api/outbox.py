"""A program acts for one of our people: it posts to their outbox and reads their inbox.

https://www.w3.org/TR/activitypub/#client-to-server-interactions. The program shows a bearer token;
what it may do stands in the token. An object alone is taken as a Create of it. Whatever must be
known from other servers is fetched first, then everything happens in one transaction, or nothing.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from actors import accounts, admission, collections, copies, local, remote
from actors.documents import answer
from actors.server import SERVER, Server, instance_signer
from api import shapes
from federation import activity as documents
from federation import addresses, webfinger
from federation.errors import Gone, Malformed, WireError
from federation.vocabulary import MOST_RECIPIENTS, PUBLIC, addressing, id_of, type_of
from outbox import dispatch
from storage import actors, arrivals, objects, published
from storage.actors import Actor
from storage.arrivals import Arrival
from storage.audience import Viewer
from storage.database import Transaction

log = logging.getLogger("api.outbox")

# application/json is what many a client library says of whatever it sends.
MEDIA_TYPES = frozenset({"application/activity+json", "application/ld+json", "application/json"})
BODY_SECONDS = 30.0
FETCHES_AT_ONCE = 10

# What an activity may carry, beside what it is about.
_CARRIED = frozenset({"object", "target", "origin", "result", "instrument"})

# A token for following alone may do these.
_FOLLOWING = frozenset({"Follow", "Accept", "Reject"})


async def post(request: web.Request) -> web.Response:
    """POST /users/NAME/outbox: 201 and the new activity's id in Location."""
    server = request.app[SERVER]
    actor, scopes = await _owner(server, request)
    body = await _body(request)
    activity = _wrapped(documents.parse(body))
    shapes.check(activity)
    await _check_scope(server, actor, activity, scopes)
    if id_of(activity.get("actor")) not in (None, actor.uri):
        raise Malformed(f"actor must be {actor.uri}, whose outbox this is")
    verb = dispatch.verb_of(activity)
    await _know_what_it_is_about(server, actor, activity, verb.fetch)
    await _know_addressed(server, actor, activity)
    uri = await server.database.write(dispatch.send, actor.id, activity)
    return web.Response(status=201, headers={"Location": uri, "Cache-Control": "private, no-store"})


async def inbox(request: web.Request) -> web.Response:
    """GET /users/NAME/inbox: what came, newest first, each object as it stands now."""
    server = request.app[SERVER]
    if "Authorization" not in request.headers:
        raise web.HTTPMethodNotAllowed(request.method, ["POST"])
    actor, scopes = await _owner(server, request)
    if "read" not in scopes:
        raise web.HTTPForbidden(text="this token may not read")
    before = collections.cursor(request.query)
    paged = collections.wants_page(request.query)
    found = await server.database.read(_inbox, actor, before, paged)
    return answer(found, public=False)


# --- who it is ---------------------------------------------------------------------------------


async def _owner(server: Server, request: web.Request) -> tuple[Actor, frozenset[str]]:
    """Whose token it is, if this is their box. The same answer for other people and for nobody."""
    stated = request.headers.getall("Authorization", [])
    token = accounts.bearer(stated[0]) if len(stated) == 1 else ""
    known = await server.database.read(accounts.by_token, token)
    if known is None:
        raise web.HTTPUnauthorized(
            text="a bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
        )
    if known[0].uri != local.user_uri(server.school, request.match_info["name"].lower()):
        raise web.HTTPForbidden(text="this token is for somebody else")
    return known


async def _check_scope(
    server: Server, actor: Actor, activity: dict[str, Any], scopes: frozenset[str]
) -> None:
    if "write" in scopes:
        return
    kind = type_of(activity)
    done = kind
    if kind == "Undo":
        done = await server.database.read(_undone, actor, activity["object"])
    if done not in _FOLLOWING or "follow" not in scopes:
        raise web.HTTPForbidden(text=f"this token may not {kind}")


def _undone(tx: Transaction, actor: Actor, given: Any) -> str:
    """The type of what is to be undone: our record says it, where there is one."""
    uri = id_of(given)
    if uri is None:
        return type_of(given)
    sent = published.seen_by_uri(tx, Viewer(actor.id, local=True), uri)
    return "" if sent is None else sent.type


# --- what it says ------------------------------------------------------------------------------


async def _body(request: web.Request) -> bytes:
    if request.content_type not in MEDIA_TYPES or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text="send application/activity+json, not encoded")
    if (request.content_length or 0) > documents.LARGEST:
        raise web.HTTPRequestEntityTooLarge(documents.LARGEST, request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come in time") from None


def _wrapped(document: dict[str, Any]) -> dict[str, Any]:
    """An object alone means its Create. https://www.w3.org/TR/activitypub/#object-without-create"""
    if type_of(document) in shapes.POSTS:
        return {"type": "Create", "object": document}
    return document


# --- what must be known of others --------------------------------------------------------------


async def _know_what_it_is_about(
    server: Server, actor: Actor, activity: dict[str, Any], fetch: dispatch.Fetch
) -> None:
    """Have what the verb names of other servers, and put its id as we keep it in its place."""
    for name, kind in fetch.items():
        # What a post answers stands in the post itself.
        holder = activity if name in activity else activity["object"]
        said = id_of(holder.get(name)) if isinstance(holder, dict) else None
        if said is None:
            continue
        if kind == "actor":
            holder[name] = await _known_actor(server, said)
        else:
            holder[name] = await _known_post(server, actor, said)


async def _known_actor(server: Server, said: str) -> str:
    """The id of an actor we now know, from its id or handle. Raises Malformed, naming it."""
    try:
        uri = said
        if said.startswith(("acct:", "@")):
            username, host = webfinger.handle(said, server.rules)
            uri = await _named(server, username, host)
        return (await remote.actor(server, uri)).uri
    except Gone:
        raise Malformed(f"{said}: there is no such actor") from None
    except WireError as error:
        raise Malformed(f"{said}: {error}") from error


async def _named(server: Server, username: str, host: str) -> str:
    if host == server.school.host:
        actor = await server.database.read(actors.local_by_username, username)
        return actor.uri if actor is not None else local.user_uri(server.school, username)
    await server.database.read(admission.admit, server.mode, host)
    signer = await instance_signer(server)
    return await webfinger.discover(server.client, username, host, signer=signer)


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


async def _know_addressed(server: Server, actor: Actor, activity: dict[str, Any]) -> None:
    """Make sure that everyone addressed is known and that we talk to their servers."""
    everyone = {PUBLIC, actor.followers, local.members_uri(server.school)}
    wanted = [uri for uri in addressing(activity).everyone if uri not in everyone]
    if len(wanted) > MOST_RECIPIENTS:
        raise Malformed(f"more than {MOST_RECIPIENTS} recipients")
    known = await server.database.read(actors.by_uris, wanted)
    hosts = {uri: addresses.authority(uri, server.rules) for uri in known if not known[uri].local}
    await server.database.read(_admitted, server.mode, hosts)
    at_once = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def ask(uri: str) -> None:
        async with at_once:
            try:
                await remote.actor(server, uri)
            except WireError as error:
                raise Malformed(f"cannot address {uri}: {error}") from error

    await _all(ask(uri) for uri in wanted if uri not in known)


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


# --- what came ---------------------------------------------------------------------------------


def _inbox(tx: Transaction, actor: Actor, before: int | None, paged: bool) -> dict[str, Any]:
    total = arrivals.count(tx, actor.id)
    if not paged:
        return collections.collection(actor.inbox, total)
    size = collections.PAGE_SIZE
    rows = arrivals.inbox(tx, actor.id, before=before, limit=size + 1)
    found, more = collections.cut(rows, size)
    return collections.page(
        actor.inbox,
        before=before,
        items=[_shown(arrival) for arrival in found],
        after_this=found[-1].received_id if more else None,
        total=total,
    )


def _shown(arrival: Arrival) -> dict[str, Any]:
    """The activity as it came, with what it is about as it stands now.

    Of what else it carries only the name is shown: whose words those are nobody has checked.
    """
    activity: dict[str, Any] = orjson.loads(arrival.body)
    for name in _CARRIED & activity.keys():
        activity[name] = _reference(activity[name])
    if arrival.post is not None:
        activity["object"] = orjson.loads(arrival.post.document)
        activity["object"].pop("@context", None)
    return {name: value for name, value in activity.items() if name not in ("bto", "bcc")}


def _reference(carried: Any) -> Any:
    """Something by its id and type, and an activity also by whose it is and what it is about."""
    if isinstance(carried, list):
        return [_reference(one) for one in carried]
    if not isinstance(carried, dict):
        return carried
    named = {name: id_of(carried.get(name)) for name in ("id", "actor", "object")}
    named["type"] = type_of(carried)
    return {name: value for name, value in named.items() if value}
