"""A page for each of our people, and for those of other schools whom we know; and the front door.

What ours wrote for everybody, everybody may read. Whoever works here and is signed in also reads
what was for them, and finds here what they can do: follow, write to, block, report.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from markupsafe import Markup

from actors import collections, local, remote
from actors import profile as profiles
from actors.server import SERVER
from federation import content, vocabulary
from federation.errors import Malformed
from pages import entries, rendering, rooms, words
from pages.entries import Entry
from pages.session import Reader, anyone, signed_in
from storage import actors, blocks, featured, follows, objects, peers
from storage.actors import Actor
from storage.database import Transaction
from storage.projects import hidden

PAGE_SIZE = 20
PEOPLE_ON_A_PAGE = 40
MOST_PINNED = 20

Find = Callable[[Transaction], Actor | None]
Removed = Literal["removed"]


@dataclass(frozen=True)
class Elsewhere:
    """Their page is another one of ours: that of a project."""

    path: str


@dataclass(frozen=True)
class Relation:
    """How the reader stands to somebody. `following` is the state of their asking, "" for none;
    `asks` and `follows_reader` are the other way round."""

    own: bool
    following: str
    follows_reader: bool
    asks: bool
    blocked: bool


@dataclass(frozen=True)
class Wall:
    """Somebody with a page of what they wrote, newest first, as far as the reader may see it."""

    actor: Actor
    lines: list[tuple[str, str]]
    listed: bool
    pinned: list[Entry]
    entries: list[Entry]
    older: int | None  # where the next page begins
    followers: int
    following: int
    relation: Relation | None
    moved_path: str  # where they moved to, "" if they did not, or only say so
    moved_name: str  # who they are there, as far as we know
    target: str  # the server of their own page
    about: Markup  # what they say of themselves


@dataclass(frozen=True)
class Known:
    """Somebody in a list."""

    actor: Actor
    path: str


@anyone
async def front(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`/`: which school this is. Nobody who works here is listed."""
    if reader is not None:
        return rendering.see_other(request, "/home")
    server = request.app[SERVER]
    school = await server.database.read(actors.by_uri, local.school_uri(server.school))
    return rendering.page(request, "front.html", listed=True, organization=school)


@anyone
async def profile_page(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`/@NAME`, and `/users/NAME` or `/school` when a browser asks."""
    username = _username(request)
    return await _profile(request, reader, lambda tx: actors.local_by_username(tx, username))


@signed_in
async def remote_page(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/@NAME@HOST`. Where several have one name, the reader chooses."""
    server = request.app[SERVER]
    username, host = request.match_info["name"], request.match_info["host"].lower()
    if host == server.school.host:
        return rendering.see_other(request, f"/@{username}")
    found = await server.database.read(_by_handle, reader.actor, username, host)
    if len(found) > 1:
        return rendering.page(
            request,
            "several.html",
            reader=reader,
            handle=f"@{username}@{host}",
            people=[Known(actor, f"/people/{actor.id}") for actor in found],
        )
    number = found[0].id if found else 0
    return await _profile(request, reader, lambda tx: actors.by_id(tx, number))


@signed_in
async def person_page(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/people/ID`: the same for whoever has no plain handle, or shares it."""
    number = entries.number(request)
    return await _profile(request, reader, lambda tx: actors.by_id(tx, number))


async def _profile(request: web.Request, reader: Reader | None, find: Find) -> web.StreamResponse:
    server = request.app[SERVER]
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    person = None if reader is None else reader.actor
    wall = await server.database.read(_wall, person, find, before)
    if wall is None:
        return rendering.missing(request, reader)
    if isinstance(wall, Elsewhere):
        return rendering.see_other(request, wall.path)
    if wall == "removed":
        return rendering.gone(request, reader, what=rendering.REMOVED)
    return rendering.page(
        request,
        "person.html",
        reader=reader,
        listed=wall.listed,
        wall=wall,
        actor=wall.actor,
        newest=before is None,
    )


def _username(request: web.Request) -> str:
    if request.path == "/school":
        return local.SCHOOL_USERNAME
    return request.match_info["name"]


# --- what stands on the page -------------------------------------------------------------------


def _wall(
    tx: Transaction, reader: Actor | None, find: Find, before: int | None
) -> Wall | Elsewhere | Removed | None:
    actor = find(tx)
    if actor is not None and actor.local and actor.state == "deleted":
        return "removed"
    if actor is None or not _has_page(tx, reader, actor):
        return None
    if rooms.known(tx, reader, actor.id) is not None:
        return Elsewhere(entries.project_path(actor, reader))
    viewer = entries.viewer_of(reader)
    rows = objects.by_author(tx, viewer, actor.id, before=before, limit=PAGE_SIZE + 1)
    posts, more = collections.cut(rows, PAGE_SIZE)
    pinned = featured.of_actor(tx, viewer, actor.id)[:MOST_PINNED] if before is None else []
    above = {post.id for post in pinned}
    # What is kept at the top is not said twice on one page.
    shown = entries.of(tx, reader, [*pinned, *(post for post in posts if post.id not in above)])
    said = profiles.of(actor) if actor.local else None
    return Wall(
        actor=actor,
        lines=_fields(actor) if said is None else profiles.lines(said),
        listed=said is not None and said.indexable and entries.listed(shown),
        pinned=shown[: len(pinned)],
        entries=shown[len(pinned) :],
        older=posts[-1].id if more else None,
        followers=follows.count_followers(tx, actor.id),
        following=follows.count_following(tx, actor.id),
        relation=None if reader is None else _relation(tx, reader, actor),
        moved_path=_moved_path(tx, reader, actor),
        moved_name=_moved_name(tx, reader, actor),
        target=words.target(actor.url),
        about=words.shown(actor.summary, tx.school.host),
    )


def _has_page(tx: Transaction, reader: Actor | None, actor: Actor) -> bool:
    """Whether this reader may see this person or group at all (SECURITY R12, R16)."""
    if actor.state != "active" or hidden(tx, None if reader is None else reader.id, actor):
        return False
    if actor.local:
        return actor.type in ("Person", "Organization", "Group")
    return peers.policy(tx, words.target(actor.uri)) != "blocked"


def _by_handle(tx: Transaction, reader: Actor, username: str, host: str) -> list[Actor]:
    found = actors.by_handle(tx, username, host)
    return [actor for actor in found if not actor.local and _has_page(tx, reader, actor)]


def _relation(tx: Transaction, reader: Actor, actor: Actor) -> Relation:
    there = follows.get(tx, reader.id, actor.id)
    back = follows.get(tx, actor.id, reader.id)
    return Relation(
        own=reader.id == actor.id,
        following="" if there is None else there.state,
        follows_reader=back is not None and back.state == "accepted",
        asks=back is not None and back.state == "requested",
        blocked=blocks.get(tx, reader.id, actor.id) is not None,
    )


def _moved_path(tx: Transaction, reader: Actor | None, actor: Actor) -> str:
    """Where the new account is, if that one says so too; else "": anybody can name anybody."""
    if not actor.moved_to:
        return ""
    known = actors.by_uri(tx, actor.moved_to)
    shown = known is not None and _has_page(tx, reader, known)
    if actor.local and (reader is None or not shown):
        # Ours move only to where they are expected.
        return vocabulary.web_url(actor.moved_to) or ""
    if known is None or not shown or not (actor.local or actor.uri in _aliases(known)):
        return ""
    return entries.person_path(known, reader)


def _moved_name(tx: Transaction, reader: Actor | None, actor: Actor) -> str:
    known = actors.by_uri(tx, actor.moved_to) if actor.moved_to else None
    shown = known is not None and _has_page(tx, reader, known)
    return known.handle if known is not None and shown else actor.moved_to or ""


def _aliases(actor: Actor) -> Collection[str]:
    """The other accounts that somebody says are theirs."""
    return profiles.of(actor).aliases if actor.local else remote.aliases(json.loads(actor.document))


def _fields(actor: Actor) -> list[tuple[str, str]]:
    """The lines beside the name of somebody of another school, as plain text."""
    kept = json.loads(actor.document)
    lines = []
    for field in vocabulary.many(kept.get("attachment"))[: profiles.FIELDS]:
        if vocabulary.type_of(field) != "PropertyValue":
            continue
        label = content.one_line(vocabulary.text_of(field.get("name")), profiles.FIELD_LIMIT)
        value = content.plain(vocabulary.text_of(field.get("value")))
        text = content.one_line(value, profiles.FIELD_LIMIT)
        if label and text:
            lines.append((label, text))
    return lines


# --- lists of people ---------------------------------------------------------------------------


@signed_in
async def listing(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/@NAME/followers`, `/following` and `/blocked`: each for themselves."""
    server = request.app[SERVER]
    which = request.match_info["list"]
    if request.match_info["name"].lower() != reader.actor.username.lower():
        return rendering.missing(request, reader)
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    people, older = await server.database.read(_listed, reader.actor, which, before)
    return rendering.page(
        request,
        "people.html",
        reader=reader,
        which=which,
        people=people,
        older=older,
        newest=before is None,
    )


def _listed(
    tx: Transaction, reader: Actor, which: str, before: int | None
) -> tuple[list[Known], int | None]:
    ask = {
        "followers": follows.followers,
        "following": follows.following,
        "blocked": blocks.of_actor,
    }[which]
    found = ask(tx, reader.id, before=before, limit=PEOPLE_ON_A_PAGE + 1)
    rows, more = collections.cut(found, PEOPLE_ON_A_PAGE)
    people = [Known(actor, entries.person_path(actor, reader)) for _, actor in rows]
    return people, rows[-1][0] if more else None
