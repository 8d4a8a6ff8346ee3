"""What other servers may read of ours: actors, posts, activities and lists.

Who asks is settled first (`actors/access.py`), before anything is looked up. What the reader may
not see and what does not exist get the same answer (SECURITY R10–R12), and what is gone says so
with a Tombstone, but only to those who could have seen it.
https://www.w3.org/TR/activitypub/#retrieving-objects
"""

import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from actors import access, collections, local
from actors.server import SERVER, Server
from federation import vocabulary
from federation.errors import BadSignature
from storage import actors, blocks, burials, follows, keys, likes, objects, published
from storage import featured as featured_rows
from storage import projects as project_rows
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.database import Transaction
from storage.objects import Post
from storage.published import Shown

MEDIA_TYPE = "application/activity+json"
PRIVATE = "private, no-store"
# Never a shared cache: answers depend on who signed.
PUBLIC = "private, max-age=60"
VARY = "Accept, Signature, Signature-Input, Authorization"
PUBLIC_AUDIENCES = frozenset({"public", "unlisted"})

ACTIVITY_TYPES = ("application/activity+json", "application/ld+json")
PAGE_TYPES = ("text/html", "application/xhtml+xml")


# --- answers -----------------------------------------------------------------------------------


def answer(document: dict[str, Any], *, public: bool, status: int = 200) -> web.Response:
    """A document for another server. Only what everybody may see may be kept for a minute."""
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": PUBLIC if public else PRIVATE, "Vary": VARY},
    )


def missing() -> web.HTTPNotFound:
    """The one answer for what does not exist and for what the reader may not see."""
    return web.HTTPNotFound(headers={"Cache-Control": PRIVATE, "Vary": VARY})


def tombstone(uri: str, former_type: str, deleted: datetime) -> dict[str, Any]:
    return {"@context": vocabulary.CONTEXT, **vocabulary.tombstone(uri, former_type, deleted)}


def wants_page(request: web.Request) -> bool:
    """Whether whoever asks wants a page for people rather than JSON.

    Browsers name text/html first; servers name an ActivityPub type; `*/*`, application/json or
    nothing at all is answered with JSON.
    """
    return _wanted(request, PAGE_TYPES) > _wanted(request, ACTIVITY_TYPES)


def wants_document(request: web.Request) -> bool:
    """Whether whoever asks names an ActivityPub type, and no page rather than that."""
    return 0.0 < _wanted(request, ACTIVITY_TYPES) >= _wanted(request, PAGE_TYPES)


def _wanted(request: web.Request, kinds: Collection[str]) -> float:
    """How much one of these types is wanted: the q of the Accept header, 0 to 1."""
    best = 0.0
    for part in ",".join(request.headers.getall("Accept", [])).split(","):
        name, _, parameters = part.partition(";")
        if name.strip().lower() in kinds:
            best = max(best, _quality(parameters))
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _uri(server: Server, request: web.Request) -> str:
    """The id that was asked for, at our public address."""
    return server.school.url + request.path


def _led_to(uri: str) -> web.Response:
    return web.Response(
        status=303, headers={"Location": uri, "Cache-Control": PUBLIC, "Vary": f"{VARY}, Cookie"}
    )


# --- actors ------------------------------------------------------------------------------------


async def actor_with_page(request: web.Request) -> web.Response:
    """`/@NAME` for servers: people pass on the address of the page they look at. It leads to the
    id; whether there is anybody, and for whom, is answered there. A private project is nobody."""
    server = request.app[SERVER]
    name = request.match_info["name"].lower()
    if name == local.SCHOOL_USERNAME:
        return _led_to(local.school_uri(server.school))
    found = await server.database.read(_open_project, name)
    return _led_to(found or local.user_uri(server.school, name))


def _open_project(tx: Transaction, name: str) -> str | None:
    found = actors.local_by_username(tx, name)
    if found is None or found.type != "Group" or project_rows.hidden(tx, None, found):
        return None
    return found.uri


async def instance(request: web.Request) -> web.Response:
    """`/actor`, open to everybody: else two strict servers would wait for each other for ever."""
    server = request.app[SERVER]
    await access.note_knock(server, request)
    return await _actor(server, local.instance_uri(server.school))


async def actor(request: web.Request) -> web.Response:
    """`/users/NAME` and `/school`."""
    server = request.app[SERVER]
    await access.viewer_of(server, request)
    return await _actor(server, _uri(server, request))


async def _actor(server: Server, uri: str) -> web.Response:
    found = await server.database.read(_actor_document, uri)
    if found is None:
        raise missing()
    status, document = found
    return answer(document, public=True, status=status)


def _actor_document(tx: Transaction, uri: str) -> tuple[int, dict[str, Any]] | None:
    found = actors.by_uri(tx, uri)
    if found is None or not found.local:
        return None
    listed = keys.of_actor(tx, found.id)
    if found.state == "deleted" and not any(key.private for key in listed):
        return 410, tombstone(uri, found.type, found.updated_at)
    # Who was removed stays, as far as a signature needs it, until the last server was told.
    return 200, local.document(tx.school, found, listed)


async def inbox(request: web.Request) -> web.Response:
    """An inbox is for putting things into; nobody reads it from outside, be it there or not."""
    server = request.app[SERVER]
    await server.database.read(_owner, NOBODY, _uri(server, request))
    raise web.HTTPMethodNotAllowed(request.method, ["POST"], headers={"Cache-Control": PRIVATE})


# --- posts and activities ----------------------------------------------------------------------


async def post_with_page(request: web.Request) -> web.Response:
    """`/@NAME/ID` for servers: leads to the id of the post."""
    return _led_to(f"{request.app[SERVER].school.url}/objects/{request.match_info['id']}")


async def post(request: web.Request) -> web.Response:
    """`/objects/ID`. Someone elsewhere who gets it is noted: edits and deletion go there too."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    uri = _uri(server, request)
    found = await server.database.read(objects.seen_by_uri, viewer, uri)
    if found is None:
        return await _left_behind(server, uri)
    public = found.audience in PUBLIC_AUDIENCES
    if found.deleted_at is not None:
        stone = tombstone(found.uri, found.type, found.deleted_at)
        return answer(stone, public=public, status=410)
    if viewer.actor_id is not None and not viewer.local and request.method == "GET":
        await server.database.write(objects.note_fetch, found.id, viewer.actor_id)
    return answer(_post_document(found), public=public)


async def _left_behind(server: Server, uri: str) -> web.Response:
    """A Tombstone for what everybody could read of somebody who left; else it is missing."""
    stone = await server.database.read(burials.stone, uri)
    if stone is None:
        raise missing()
    return answer(tombstone(uri, *stone), public=True, status=410)


def _post_document(found: Post) -> dict[str, Any]:
    document = {"@context": vocabulary.CONTEXT} | json.loads(found.document)
    return vocabulary.without_hidden(document)


async def activity(request: web.Request) -> web.Response:
    """`/activities/ID`: an activity of ours, as it was sent, unless its post was edited since."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    found = await server.database.read(published.seen_by_uri, viewer, _uri(server, request))
    if found is None:
        raise missing()
    return answer(_activity_document(found), public=found.audience in PUBLIC_AUDIENCES)


def _activity_document(found: Shown) -> dict[str, Any]:
    """An activity, with its post as it stands now: what was edited away is said no more."""
    document: dict[str, Any] = orjson.loads(found.document)
    if found.post_now is None:
        return document
    now = vocabulary.without_hidden(json.loads(found.post_now))
    now.pop("@context", None)
    return _saying(document, now)


def _saying(activity: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """An activity with its post as it is now, be it inside another that a project passes on."""
    before = activity.get("object")
    if before == now or not isinstance(before, dict):
        return activity
    inside = vocabulary.id_of(before) != vocabulary.id_of(now)
    after = _saying(before, now) if inside else now
    # The proof was for other words.
    return {name: said for name, said in activity.items() if name != "proof"} | {"object": after}


# --- lists -------------------------------------------------------------------------------------

# How many there are, None where the reader may not know of the list; and those before a place (at
# most so many): pairs of that place and an item.
Count = Callable[[Transaction, Viewer, Actor], int | None]
Rows = Callable[[Transaction, Viewer, Actor, int | None, int], list[tuple[int, Any]]]


async def outbox(request: web.Request) -> web.Response:
    """What one of ours published, as far as this reader may see it."""
    return await listing(request, _count_outbox, _outbox)


async def followers(request: web.Request) -> web.Response:
    return await listing(request, _count_followers, _followers, names_people=True)


async def following(request: web.Request) -> web.Response:
    return await listing(request, _count_following, _following, names_people=True)


async def liked(request: web.Request) -> web.Response:
    """What one of ours liked, as far as this reader may see it."""
    return await listing(request, _count_liked, _liked)


async def listing(
    request: web.Request, count: Count, rows: Rows, *, names_people: bool = False
) -> web.Response:
    """A list, or a page of it. One that `names_people` tells strangers only how many they are:
    whom our staff know is nothing for a robot to collect, nor for whom they block."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    before = collections.cursor(request.query)
    paged = collections.wants_page(request.query)
    size_only = names_people and viewer == NOBODY
    if size_only and paged:
        raise BadSignature("unsigned")
    uri = _uri(server, request)
    found = await server.database.read(
        _read_listing, viewer, uri, count, rows, before, paged, names_people
    )
    if found is None:
        raise missing()
    if size_only:
        del found["first"]
    # The reader decides what is in it, so it is nobody else's.
    return answer(found, public=viewer == NOBODY)


def _read_listing(
    tx: Transaction,
    viewer: Viewer,
    uri: str,
    count: Count,
    rows: Rows,
    before: int | None,
    paged: bool,
    names_people: bool,
) -> dict[str, Any] | None:
    owner = _owner(tx, viewer, uri)
    if owner is None:
        return None
    if names_people and viewer.actor_id and blocks.between(tx, viewer.actor_id, owner.id):
        return None
    total = count(tx, viewer, owner)
    if total is None:
        return None
    if not paged:
        return collections.collection(uri, total)
    found, more = collections.cut(
        rows(tx, viewer, owner, before, collections.PAGE_SIZE + 1), collections.PAGE_SIZE
    )
    return collections.page(
        uri,
        before=before,
        items=[item for _, item in found],
        after_this=found[-1][0] if more else None,
        total=total,
    )


def _owner(tx: Transaction, viewer: Viewer, uri: str) -> Actor | None:
    """The active actor of ours whose list this is: `…/users/NAME/outbox` belongs to NAME.

    Whoever may not know of a project does not learn of its lists, not by their size, nor by their
    end. Raises 410 for the lists of somebody who was removed.
    """
    found = actors.by_uri(tx, uri.rpartition("/")[0])
    if found is not None and project_rows.hidden(tx, viewer.actor_id, found):
        return None
    if found is not None and found.local and found.state == "deleted":
        raise web.HTTPGone(headers={"Cache-Control": PRIVATE, "Vary": VARY})
    return found if found is not None and found.local and found.state == "active" else None


def _count_outbox(tx: Transaction, viewer: Viewer, owner: Actor) -> int:
    return published.count_outbox(tx, viewer, owner.id)


def _outbox(
    tx: Transaction, viewer: Viewer, owner: Actor, before: int | None, limit: int
) -> list[tuple[int, Any]]:
    rows = published.outbox(tx, viewer, owner.id, before=before, limit=limit)
    return [(row.id, _activity_document(row)) for row in rows]


def _count_followers(tx: Transaction, viewer: Viewer, owner: Actor) -> int:
    return follows.count_followers(tx, owner.id)


def _followers(
    tx: Transaction, viewer: Viewer, owner: Actor, before: int | None, limit: int
) -> list[tuple[int, Any]]:
    rows = follows.followers(tx, owner.id, before=before, limit=limit)
    return [(place, follower.uri) for place, follower in rows]


def _count_following(tx: Transaction, viewer: Viewer, owner: Actor) -> int:
    return follows.count_following(tx, owner.id)


def _following(
    tx: Transaction, viewer: Viewer, owner: Actor, before: int | None, limit: int
) -> list[tuple[int, Any]]:
    rows = follows.following(tx, owner.id, before=before, limit=limit)
    return [(place, followee.uri) for place, followee in rows]


def _count_liked(tx: Transaction, viewer: Viewer, owner: Actor) -> int:
    return likes.count_by_actor(tx, viewer, owner.id)


def _liked(
    tx: Transaction, viewer: Viewer, owner: Actor, before: int | None, limit: int
) -> list[tuple[int, Any]]:
    rows = likes.by_actor(tx, viewer, owner.id, before=before, limit=limit)
    return [(place, found.uri) for place, found in rows]


async def featured(request: web.Request) -> web.Response:
    """The few posts that one of ours put on top."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    found = await server.database.read(_featured, viewer, _uri(server, request))
    if found is None:
        raise missing()
    return answer(found, public=viewer == NOBODY)


def _featured(tx: Transaction, viewer: Viewer, uri: str) -> dict[str, Any] | None:
    owner = _owner(tx, viewer, uri)
    if owner is None:
        return None
    posts = featured_rows.of_actor(tx, viewer, owner.id)
    return collections.whole(uri, [_post_document(found) for found in posts])


async def replies(request: web.Request) -> web.Response:
    """`/objects/ID/replies`: answers to a post, as far as this reader may see it and them."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    before = collections.cursor(request.query)
    paged = collections.wants_page(request.query)
    uri = _uri(server, request)
    found = await server.database.read(_replies, viewer, uri, before, paged)
    if found is None:
        raise missing()
    return answer(found, public=viewer == NOBODY)


def _replies(
    tx: Transaction, viewer: Viewer, uri: str, before: int | None, paged: bool
) -> dict[str, Any] | None:
    asked = objects.seen_by_uri(tx, viewer, uri.rpartition("/")[0])
    if asked is None or asked.deleted_at is not None:
        return None
    total = objects.count_replies(tx, viewer, asked.uri)
    if not paged:
        return collections.collection(uri, total)
    rows = objects.replies(tx, viewer, asked.uri, before=before, limit=collections.PAGE_SIZE + 1)
    found, more = collections.cut(rows, collections.PAGE_SIZE)
    return collections.page(
        uri,
        before=before,
        items=[reply.uri for reply in found],
        after_this=found[-1].id if more else None,
        total=total,
    )


async def members(request: web.Request) -> web.Response:
    """`/school/members`: for our own people; outside, nobody works here."""
    server = request.app[SERVER]
    viewer = await access.viewer_of(server, request)
    if not viewer.local:
        raise missing()
    people = await server.database.read(actors.local_people)
    uris = [person.uri for person in people if person.state == "active"]
    return answer(collections.whole(_uri(server, request), uris), public=False)
