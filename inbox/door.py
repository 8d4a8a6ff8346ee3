"""The door where other servers knock: what they bring is checked, kept and thanked for.

The checks stand in the order of PROTOCOL §3, one function each; the first that does not hold
answers. Nothing is fetched before it is known that we talk to that host, nothing but the key
before the signature is checked. 202 means that it is on disk; what follows from it comes later.
https://www.w3.org/TR/activitypub/#server-to-server-interactions
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from actors.server import SERVER, Mode, Server
from federation import activity as activities
from federation import addresses, schemas
from federation.activity import Activity
from federation.addresses import Rules
from federation.errors import Refused, WireError
from federation.signatures import Message
from inbox import concerned, dispatch, goodbyes, senders
from inbox.senders import Standing
from storage import peers, received
from storage.database import Transaction
from storage.received import Incoming
from storage.standing import states

log = logging.getLogger("inbox.door")

BODY_LIMIT = activities.LARGEST
BODY_DEADLINE = 30.0  # seconds
# What signs ten times as fast, and is as safe: whoever reads this sends it from then on.
# https://www.rfc-editor.org/rfc/rfc9421#section-5.1
WANTED = {
    "Accept-Signature": (
        'sig1=("@method" "@target-uri" "content-digest");created;keyid;alg="ed25519"'
    )
}
MEDIA_TYPES = frozenset({"application/activity+json", "application/ld+json"})


@dataclass(frozen=True, slots=True)
class Knock:
    """What passed all checks, and what must still hold when it is kept."""

    incoming: Incoming
    mode: Mode
    hosts: tuple[str, ...]
    people: tuple[str, ...]
    lives: str | None  # a host whose sign of life is to be noted


async def receive(request: web.Request) -> web.Response:
    """POST to an inbox. Raises what the table at the edge makes a status of."""
    server = request.app[SERVER]
    activity: Activity | None = None
    held = server.room.take(announced(request))
    try:
        message = await brought(server, request)
        document = strictly_read(message.body)
        well_formed(document)
        activity = identified(document, server.rules)
        await _taken(server, activity, message, request.path)
    except Exception as error:
        server.counters.intake(verdict(error))
        if not isinstance(error, (WireError, web.HTTPException)):
            raise
        log.info(
            "refusal",
            extra={
                "status": getattr(error, "status", None),
                "reason": str(error) or type(error).__name__,
                "peer": activity and addresses.authority(activity.actor, server.rules),
            },
        )
        raise
    finally:
        server.room.give_back(held)
    server.counters.intake("taken")
    return web.Response(status=202, headers=WANTED)


def verdict(error: Exception) -> str:
    """Why something was not taken, in one word for whoever counts."""
    if isinstance(error, web.HTTPException):
        return str(error.status)
    return type(error).__name__.lower()


async def _taken(server: Server, activity: Activity, message: Message, path: str) -> None:
    """Know the sender, then keep what they brought. Nothing is kept of what is forgettable."""
    said = senders.claimed(message)
    standing = await senders.known(server, activity, said, path)
    if senders.forgettable(activity, standing):
        return
    claim = senders.signed(said)
    standing = await senders.verified(server, activity, claim, message, standing, path)
    await senders.speaks_for_itself(server, activity, standing)
    senders.allowed_to(activity.type, standing)
    incoming = Incoming(
        uri=activity.id,
        actor_uri=activity.actor,
        owner_id=senders.inbox_of(activity, standing),
        type=activity.type,
        body=message.body,
    )
    if not standing.proven:
        incoming = goodbyes.unproven(incoming, server.now())
    await kept(server, incoming, standing)


# --- the request ---------------------------------------------------------------------------------


async def brought(server: Server, request: web.Request) -> Message:
    """The request with its whole body, if it is one that an inbox takes."""
    media_type(request)
    not_encoded(request)
    body = await whole_body(request)
    return Message("POST", f"{server.school.url}{request.raw_path}", request.headers, body)


def announced(request: web.Request) -> int:
    """The bytes that the body may have."""
    length = request.content_length
    return BODY_LIMIT if length is None else min(length, BODY_LIMIT)


def media_type(request: web.Request) -> None:
    """415 for what does not call itself an activity."""
    if request.content_type not in MEDIA_TYPES:
        raise web.HTTPUnsupportedMediaType(text="an inbox takes application/activity+json")


def not_encoded(request: web.Request) -> None:
    """415 for a packed body: the library would unpack it, and the digest is of what was sent."""
    if "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text="an inbox takes no Content-Encoding")


async def whole_body(request: web.Request) -> bytes:
    """The raw bytes, within the deadline; 408 after it, 413 as soon as they are too many."""
    small_enough(request.content_length or 0)
    if request.content.is_eof():  # it came together with its headers
        body = request.content.read_nowait()
        small_enough(len(body))
        return body
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            async for piece in request.content.iter_any():
                size += len(piece)
                small_enough(size)
                pieces.append(piece)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return b"".join(pieces)


def small_enough(size: int) -> None:
    """413 beyond one MiB."""
    if size > BODY_LIMIT:
        raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, size)


# --- the document --------------------------------------------------------------------------------


def strictly_read(body: bytes) -> dict[str, Any]:
    """400 for whatever two readers could read in two ways."""
    return activities.parse(body)


def well_formed(document: dict[str, Any]) -> None:
    """400 for what does not fit the schema of an activity."""
    schemas.check(document)


def identified(document: dict[str, Any], rules: Rules) -> Activity:
    """400 for what has no id or actor, or an id on another server than its actor."""
    return dispatch.typed(activities.read(document, rules))


# --- keeping it ----------------------------------------------------------------------------------


async def kept(server: Server, incoming: Incoming, standing: Standing) -> None:
    """Return once it is on disk; what arrives meanwhile shares the commit. 403 if the sender
    was blocked or suspended since we looked."""
    signer = standing.signer or incoming.actor_uri
    host = addresses.authority(signer, server.rules)
    lives = None if server.heard.recall(host, server.now()) else host
    knock = Knock(
        incoming=incoming,
        mode=server.mode,
        hosts=standing.hosts,
        people=(incoming.actor_uri, signer),
        lives=lives,
    )
    refused = await server.database.write_each(keep_all, knock)
    if refused is not None:
        raise refused
    if lives is not None:
        server.heard.note(lives, True, server.now())


def keep_all(tx: Transaction, knocks: list[Knock]) -> list[Refused | None]:
    """Keep all that came together, but for those whose senders are welcome no more."""
    hosts = {host for knock in knocks for host in knock.hosts}
    unwelcome = senders.welcome(tx, knocks[0].mode, hosts)
    people = states(tx, {uri for knock in knocks for uri in knock.people})
    answers = [still_refused(knock, unwelcome, people) for knock in knocks]
    taken = [knock for knock, refused in zip(knocks, answers, strict=True) if refused is None]
    if taken:
        received.add_all(tx, [knock.incoming for knock in taken])
    for host in sorted({knock.lives for knock in taken if knock.lives is not None}):
        peers.heard(tx, host)
    return answers


def still_refused(
    knock: Knock, unwelcome: Mapping[str, Refused], people: Mapping[str, str]
) -> Refused | None:
    """The 403 for who was blocked or suspended since we last looked."""
    for host in knock.hosts:
        if host in unwelcome:
            return unwelcome[host]
    said = knock.incoming.type
    kind = "Delete" if said == goodbyes.UNPROVEN else said
    try:
        for uri in knock.people:
            if uri not in people:
                raise Refused(f"{uri} is unknown here")
            if kind == "Delete" and people[uri] == "deleted":
                continue  # said once more, a moment later: it changes nothing any more
            concerned.in_good_standing(kind, people[uri])
    except Refused as error:
        return error
    return None
