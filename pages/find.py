"""Finding somebody, or a post, by the handle or address that one was given.

What is known here is shown at once. For the rest the other server is asked, if it is one that this
school talks to; whatever it answers is checked and kept like everything from outside. A post that
is not for the reader looks like one that does not exist.
"""

import logging
from collections.abc import Sequence

from aiohttp import web

from actors import copies, handles, remote
from actors.server import SERVER, Server
from federation import addresses, vocabulary, webfinger
from federation.errors import Gone, Malformed, Refused, Unreachable, WireError
from pages import entries, rendering
from pages.people import Known
from pages.session import Reader, form, signed_in
from storage import actors, objects, projects
from storage.actors import Actor
from storage.database import Transaction

log = logging.getLogger("pages.find")

MOST_COLLEAGUES = 300
LONGEST = 2048


class NotFound(Exception):
    """Nothing was found; the text says why, in words for the person who looked."""

    def __init__(self, reason: str, status: int = 404) -> None:
        super().__init__(reason)
        self.status = status


@signed_in
async def find(request: web.Request, reader: Reader) -> web.StreamResponse:
    """GET `/find`: the form, and the colleagues at this school."""
    return await _form(request, reader)


@signed_in
async def search(request: web.Request, reader: Reader) -> web.StreamResponse:
    """POST `/find`: leads to whom or what was found."""
    typed = " ".join(form(request).get("who", "").split())
    try:
        path = await _found(request.app[SERVER], reader.actor, typed)
    except NotFound as missing:
        return await _form(request, reader, typed, str(missing), missing.status)
    return rendering.see_other(request, path)


async def _form(
    request: web.Request, reader: Reader, typed: str = "", trouble: str = "", status: int = 200
) -> web.StreamResponse:
    people = await request.app[SERVER].database.read(_colleagues, reader.actor)
    return rendering.page(
        request,
        "find.html",
        reader=reader,
        status=status,
        who=typed[:LONGEST],
        trouble=trouble,
        people=people,
    )


def _colleagues(tx: Transaction, reader: Actor) -> Sequence[Known]:
    ours = [person for person in actors.local_people(tx) if person.state == "active"]
    return [
        Known(person, entries.person_path(person, reader))
        for person in ours[:MOST_COLLEAGUES]
        if person.id != reader.id
    ]


# --- looking -----------------------------------------------------------------------------------


async def _found(server: Server, reader: Actor, typed: str) -> str:
    """The path of the page about what was typed. Raises NotFound."""
    if not typed or len(typed) > LONGEST:
        raise NotFound("Type a handle such as @name@school.example, or paste an address.", 400)
    try:
        if typed.lower().startswith(("https://", "http://")):
            return await _at_address(server, reader, typed)
        return await _with_handle(server, reader, typed)
    except Malformed as error:
        log.info("nothing was found: %s", error)
        raise NotFound(
            "This is neither a handle such as @name@school.example nor an address we can read.",
            400,
        ) from error
    except Gone as error:
        raise NotFound(
            "Nobody and nothing was found there. Is it spelt as you were given it?"
        ) from error
    except Unreachable as error:
        raise NotFound(
            f"{error.host} cannot be reached at the moment. Please try again a little later.", 503
        ) from error
    except Refused as error:
        raise NotFound(_refusal(error), 403) from error


def _refusal(error: WireError) -> str:
    said = str(error)
    host = said.partition(" ")[0]
    if said.endswith(("is not on our list", "is blocked")):
        return (
            f"{host} is not one of the servers that this school talks to. "
            "Your administrator can add it."
        )
    return "The other server did not give a clear answer, so nothing is shown."


async def _with_handle(server: Server, reader: Actor, typed: str) -> str:
    """`@name@host`, or the bare name of a colleague."""
    bare = typed.removeprefix("@")
    whole = "@" in bare or bare.lower().startswith("acct:")
    handle = typed if whole else f"{bare}@{server.school.host}"
    try:
        found = await handles.find(server, handle)
        return await server.database.read(_person, found, reader)
    except Unreachable:
        # Whom we know already is shown although their server is away.
        username, host = webfinger.handle(handle, server.rules)
        known = await server.database.read(actors.by_handle, username, host)
        if not known:
            raise
        return await server.database.read(_person, known[0], reader)


async def _at_address(server: Server, reader: Actor, typed: str) -> str:
    """The id or the page of a person or a post, ours or others'."""
    url = addresses.canonical(typed.partition("#")[0], server.rules)
    known = await server.database.read(_known, reader, url)
    if known:
        return known
    host = addresses.authority(url, server.rules)
    if host == server.school.host:
        raise Gone(url, 404)
    # Also for what we keep a copy of: it was for somebody else, and they may be the one to say.
    document = await remote.fetch(server, url)
    if not remote.ACTOR_TYPES.isdisjoint(vocabulary.types_of(document)):
        actor = await remote.actor(server, document["id"])
        return await server.database.read(_person, actor, reader)
    await copies.fetch(server, document["id"])
    known = await server.database.read(_known, reader, document["id"])
    if not known:
        raise Gone(url, 404)
    return known


def _known(tx: Transaction, reader: Actor, url: str) -> str:
    """The path of what has this id here, or of what of ours has this page; else ""."""
    path = url.removeprefix(tx.school.url)
    if path != url and path.startswith("/@"):
        return _ours(tx, reader, path.removeprefix("/@"))
    actor = actors.by_uri(tx, url)
    if actor is not None and not projects.hidden(tx, reader.id, actor):
        return _person(tx, actor, reader)
    post = objects.seen_by_uri(tx, entries.viewer_of(reader), url)
    author = None if post is None else actors.by_id(tx, post.author_id)
    if post is None or author is None or post.deleted_at is not None:
        return ""
    return entries.post_path(post, author, reader)


def _ours(tx: Transaction, reader: Actor, page: str) -> str:
    """NAME or NAME/ID, as it stands in the address of a page of ours."""
    name, _, number = page.partition("/")
    if number.isascii() and number.isdigit():
        return _known(tx, reader, f"{tx.school.url}/objects/{number}")
    actor = actors.local_by_username(tx, name)
    return "" if actor is None or actor.state != "active" else _person(tx, actor, reader)


def _person(tx: Transaction, actor: Actor | None, reader: Actor) -> str:
    """The path of somebody's page. Raises Gone for nobody, for who is not here any more, and for a
    project of which this reader must not learn (SECURITY R12)."""
    if actor is None or actor.state != "active" or (actor.local and actor.type == "Application"):
        raise Gone("" if actor is None else actor.uri, 404)
    if projects.hidden(tx, reader.id, actor):
        raise Gone(actor.uri, 404)
    return entries.person_path(actor, reader)
