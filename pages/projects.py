"""Projects: mine and the open ones, a page for each, and who takes part with what role.

An open project of this school has a page for everybody, with what was written in it for everybody;
who takes part is for those who work here. A private one is there for its members and for whom it
invited: everybody else gets the page for what does not exist (SECURITY R12).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from actors import collections
from actors.server import SERVER
from federation.errors import Malformed
from pages import entries, rendering, rooms
from pages.entries import Entry
from pages.session import Reader, anyone, signed_in
from storage import actors, memberships, objects, projects
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership
from storage.projects import Project

PAGE_SIZE = 20
PEOPLE_ON_A_PAGE = 40
MOST_OPEN = 20

# What a page says after something was done, by the word in its address. Another school may have
# the last word, so nothing is promised.
DONE: Mapping[str, str] = {
    "new": "Your project is there. Invite people, or write the first post.",
    "saved": "Saved. Everybody who takes part hears of it in a moment.",
    "ask": "Asked. You are told as soon as a lead answers.",
    "withdraw": "Your request is taken back.",
    "accept": "You said yes. The project is yours to read in a moment.",
    "refuse": "You said no.",
    "leave": "You left.",
    "invite": "Invited. They are told at once, and choose for themselves.",
    "admit": "Let in. It shows here in a moment.",
    "decline": "You said no to the request.",
    "role": "The role is changed. It shows here in a moment.",
    "remove": "Removed. It shows here in a moment.",
}


@dataclass(frozen=True)
class Seat:
    """A project in a list, and how the reader stands to it."""

    actor: Actor
    project: Project
    path: str
    school: str
    membership: Membership | None
    requests: int = 0  # that wait for the reader, who leads it


@dataclass(frozen=True)
class Mine:
    """What `/projects` shows."""

    invited: list[Seat]
    member: list[Seat]
    asked: list[Seat]
    open: list[Seat]
    older: int | None


@dataclass(frozen=True)
class Told:
    """A page of a project with what was said in it."""

    room: rooms.Room
    requests: list[rooms.Member]
    entries: list[Entry]
    older: int | None
    listed: bool


@dataclass(frozen=True)
class People:
    """A page of those in a project."""

    room: rooms.Room
    invited: list[rooms.Member]
    members: list[rooms.Member]
    older: int | None


@signed_in
async def mine(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/projects`"""
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    shown = await request.app[SERVER].database.read(_mine, reader.actor, before)
    return rendering.page(
        request,
        "projects.html",
        reader=reader,
        shown=shown,
        newest=before is None,
        roles=rooms.ROLES,
        done=done_words(request),
    )


@anyone
async def ours(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`/projects/SLUG`: a project of this school, when a browser asks."""
    server = request.app[SERVER]
    username = request.match_info["slug"]
    found = await server.database.read(actors.local_by_username, username)
    return await _page(request, reader, None if found is None else found.id)


@signed_in
async def any_school(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/projects/ID`: a project that the reader knows, of whatever school."""
    number = entries.number(request)
    found = await request.app[SERVER].database.read(rooms.known, reader.actor, number)
    if found is not None and found[0].local:
        query = f"?{request.query_string}" if request.query_string else ""
        return rendering.see_other(request, f"/projects/{found[0].username}{query}")
    return await _page(request, reader, None if found is None else number)


async def _page(
    request: web.Request, reader: Reader | None, number: int | None
) -> web.StreamResponse:
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    server, person = request.app[SERVER], None if reader is None else reader.actor
    told = await server.database.read(_told, person, number or 0, before)
    if told is not None and await rooms.met(server, told.room.strangers):
        told = await server.database.read(_told, person, number or 0, before)
    if told is None:
        return rendering.missing(request, reader)
    return rendering.page(
        request,
        "project.html",
        reader=reader,
        listed=told.listed,
        told=told,
        room=told.room,
        newest=before is None,
        roles=rooms.ROLES,
        done=done_words(request),
    )


@signed_in
async def people(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/projects/ID/people`: everybody in it, and for its leads what they can do there."""
    try:
        before = collections.cursor(request.query)
    except Malformed:
        return rendering.missing(request, reader)
    server, number = request.app[SERVER], entries.number(request)
    shown = await server.database.read(_people, reader.actor, number, before)
    if shown is not None and await rooms.met(server, rooms.strangers(shown.members)):
        shown = await server.database.read(_people, reader.actor, number, before)
    if shown is None:
        return rendering.missing(request, reader)
    return rendering.page(
        request,
        "project_people.html",
        reader=reader,
        shown=shown,
        room=shown.room,
        newest=before is None,
        roles=rooms.ROLES,
        done=done_words(request),
    )


def done_words(request: web.Request) -> str:
    """What a page says about what was done just now."""
    return DONE.get(request.query.get("done", ""), "")


# --- what stands on the pages ------------------------------------------------------------------


def _mine(tx: Transaction, reader: Actor, before: int | None) -> Mine:
    everywhere = projects.of_actor(tx, reader.id)
    seats = [
        Seat(
            actor=actor,
            project=project,
            path=entries.project_path(actor, reader),
            school=rooms.school_of(tx, actor),
            membership=there,
            requests=_asking(tx, project, there),
        )
        for project, actor, there in (everywhere if before is None else ())
    ]
    found = projects.open_here(tx, before=before, limit=MOST_OPEN + 1)
    rows, more = collections.cut(found, MOST_OPEN)
    taken = {actor.id for _, actor, _ in everywhere}
    return Mine(
        invited=[seat for seat in seats if _state(seat) == "invited"],
        member=[seat for seat in seats if _state(seat) == "member"],
        asked=[seat for seat in seats if _state(seat) == "asked"],
        open=[
            Seat(actor, project, entries.project_path(actor, reader), tx.school.name, None)
            for project, actor in rows
            if actor.id not in taken
        ],
        older=rows[-1][1].id if more else None,
    )


def _state(seat: Seat) -> str:
    return "" if seat.membership is None else seat.membership.state


def _asking(tx: Transaction, project: Project, there: Membership) -> int:
    if there.state != "member" or there.role != "lead":
        return 0
    return len(memberships.of_state(tx, project.actor_id, "asked"))


def _told(tx: Transaction, reader: Actor | None, number: int, before: int | None) -> Told | None:
    there = rooms.room(tx, reader, number)
    if there is None:
        return None
    viewer = entries.viewer_of(reader)
    found = objects.of_project(tx, viewer, number, before=before, limit=PAGE_SIZE + 1)
    posts, more = collections.cut(found, PAGE_SIZE)
    shown = entries.of(tx, reader, posts)
    asking = memberships.of_state(tx, number, "asked") if "lead" in there.may else []
    return Told(
        room=there,
        requests=rooms.members(tx, reader, asking),
        entries=shown,
        older=posts[-1].id if more else None,
        listed=not there.project.private and reader is None and entries.listed(shown),
    )


def _people(tx: Transaction, reader: Actor, number: int, before: int | None) -> People | None:
    there = rooms.room(tx, reader, number)
    if there is None or not there.shows_people:
        return None
    found = memberships.seen_members(
        tx, reader.id, number, before=before, limit=PEOPLE_ON_A_PAGE + 1
    )
    rows, more = collections.cut(found, PEOPLE_ON_A_PAGE)
    leads = "lead" in there.may and before is None
    invited = memberships.of_state(tx, number, "invited") if leads else []
    return People(
        room=there,
        invited=rooms.members(tx, reader, invited),
        members=rooms.members(tx, reader, rows),
        older=rows[-1][0].id if more else None,
    )
