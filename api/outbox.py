"""A program acts for one of our people: it posts to their outbox and reads their inbox.

https://www.w3.org/TR/activitypub/#client-to-server-interactions. The program shows a bearer token;
what it may do stands in the token. An object alone is taken as a Create of it. What it means and
what follows is the same as from a page of ours (`outbox/acting.py`).
"""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from actors import accounts, collections, local
from actors.documents import answer
from actors.server import SERVER, Server
from api import shapes
from federation import activity as documents
from federation.errors import Malformed
from federation.vocabulary import id_of, type_of
from outbox import acting
from storage import arrivals, published
from storage.actors import Actor
from storage.arrivals import Arrival
from storage.audience import Viewer
from storage.database import Transaction

# application/json is what many a client library says of whatever it sends.
MEDIA_TYPES = frozenset({"application/activity+json", "application/ld+json", "application/json"})
BODY_SECONDS = 30.0

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
    uri = await acting.act(server, actor, activity)
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

    Of what else it carries only the name is shown: whose words those are nobody has checked. What
    a project passes on is named, and shown with the post as well.
    """
    activity: dict[str, Any] = orjson.loads(arrival.body)
    for name in _CARRIED & activity.keys():
        activity[name] = _reference(activity[name])
    if arrival.post is not None:
        now = orjson.loads(arrival.post.document)
        now.pop("@context", None)
        passed_on = activity["object"]
        if isinstance(passed_on, dict) and arrival.type == "Announce" and "object" in passed_on:
            # A project passes on what a member did with it.
            now = {**passed_on, "object": now}
        activity["object"] = now
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
