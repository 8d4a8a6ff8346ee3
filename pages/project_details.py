"""A teacher starts a project, and its leads change what it says of itself.

The name becomes the address of the project. That of a private one has an end that nobody guesses:
otherwise a new name would tell who tries it that there is one already (SECURITY R12).
"""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from actors import profile
from actors import projects as founding
from actors.server import SERVER, Server
from federation import content
from federation.errors import Malformed, Refused, Unreachable
from federation.vocabulary import rfc3339
from outbox import acting
from pages import entries, rendering, rooms
from pages.session import Form, Reader, form, signed_in
from pages.trouble import sentence
from storage.actors import Actor, UsernameTaken
from storage.database import Transaction
from storage.projects import Moves, Openness, Project

# How often another address is tried where a name is taken.
TRIES = 5
LAST_MOMENT = time(23, 59, 59)


@dataclass(frozen=True)
class Typed:
    """What stands in the form. Days as a browser writes them: 2026-09-04, or nothing."""

    name: str = ""
    aim: str = ""
    openness: Openness = "private"
    moves: Moves = "automatic"
    starts: str = ""
    ends: str = ""


@dataclass(frozen=True)
class Details:
    """The same, read."""

    name: str
    aim: str
    openness: Openness
    moves: Moves
    starts_at: datetime | None
    ends_at: datetime | None


@signed_in
async def new(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`GET /projects/new`."""
    return _form(request, reader, Typed())


async def start(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /projects/new`: whoever starts a project leads it."""
    server = request.app[SERVER]
    typed = _typed(form(request))
    try:
        if reader.actor.moved_to:
            raise Refused(f"this account moved to {reader.actor.moved_to}")
        made = await _founded(server, reader.actor, _read(typed, server.zone))
    except (Malformed, Refused) as error:
        return _form(request, reader, typed, trouble=sentence(error), status=400)
    return rendering.see_other(request, f"{entries.project_path(made, reader.actor)}?done=new")


async def start_again(
    request: web.Request, reader: Reader, fields: Form, reason: str, *, status: int = 403
) -> web.StreamResponse:
    """The form once more, as it was typed, and why it was not taken."""
    return _form(request, reader, _typed(fields), trouble=reason, status=status)


create = signed_in(start, again=start_again)


@signed_in
async def details(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`GET /projects/ID/edit`: for the leads of a project of this school."""
    server = request.app[SERVER]
    found = await server.database.read(_led, reader.actor, entries.number(request))
    if found is None:
        return rendering.missing(request, reader)
    actor, project = found
    return _form(request, reader, _as_kept(actor, project, server.zone), actor)


async def change(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /projects/ID/edit`: everybody who takes part hears of it."""
    server = request.app[SERVER]
    found = await server.database.read(_led, reader.actor, entries.number(request))
    if found is None:
        return rendering.missing(request, reader)
    actor, project = found
    typed = replace(_typed(form(request)), openness="private" if project.private else "open")
    try:
        said = _read(typed, server.zone)
        await acting.act(server, reader.actor, _update(actor, said))
        await server.database.write(_set_moves, reader.actor, actor.id, said.moves)
    except (Malformed, Refused, Unreachable) as error:
        return _form(request, reader, typed, actor, trouble=sentence(error), status=400)
    return rendering.see_other(request, f"{entries.project_path(actor, reader.actor)}?done=saved")


async def change_again(
    request: web.Request, reader: Reader, fields: Form, reason: str, *, status: int = 403
) -> web.StreamResponse:
    """Likewise."""
    number = entries.number(request)
    found = await request.app[SERVER].database.read(_led, reader.actor, number)
    if found is None:
        return rendering.missing(request, reader)
    actor, project = found
    typed = replace(_typed(fields), openness="private" if project.private else "open")
    return _form(request, reader, typed, actor, trouble=reason, status=status)


save = signed_in(change, again=change_again)


def _led(tx: Transaction, reader: Actor, number: int) -> tuple[Actor, Project] | None:
    """The project, if it is ours and this reader leads it."""
    there = rooms.room(tx, reader, number)
    return None if there is None or "edit" not in there.may else (there.actor, there.project)


def _update(actor: Actor, said: Details) -> dict[str, Any]:
    """The Update that says so. How open a project is was settled when it began."""
    return {
        "type": "Update",
        "object": {
            "id": actor.uri,
            "name": said.name,
            "summary": said.aim or None,
            "startTime": None if said.starts_at is None else rfc3339(said.starts_at),
            "endTime": None if said.ends_at is None else rfc3339(said.ends_at),
        },
    }


def _set_moves(tx: Transaction, reader: Actor, number: int, moves: Moves) -> None:
    """What happens when a member moves school: this school's own business, told to nobody."""
    found = _led(tx, reader, number)
    if found is not None and found[1].moves != moves:
        founding.change(tx, found[0], moves=moves)


async def _founded(server: Server, owner: Actor, said: Details) -> Actor:
    """The new project. Raises Malformed where no address can be made of its name."""
    private = said.openness == "private"
    for attempt in range(TRIES):
        # An address that is taken gets an end of its own, too.
        slug = founding.slug_for(
            said.name, private=private or attempt > 0, random=secrets.token_hex(4)
        )
        try:
            return await server.database.write(_found, slug, owner, said)
        except UsernameTaken:
            continue
        except founding.BadSlug as error:
            raise Malformed(str(error)) from error
    raise Malformed("a project of this name is here already: please choose another name")


def _found(tx: Transaction, slug: str, owner: Actor, said: Details) -> Actor:
    return founding.create(
        tx,
        slug=slug,
        name=said.name,
        owner=owner,
        aim=said.aim,
        openness=said.openness,
        moves=said.moves,
        starts_at=said.starts_at,
        ends_at=said.ends_at,
    )


# --- what stands in the form -------------------------------------------------------------------


def _form(
    request: web.Request,
    reader: Reader,
    typed: Typed,
    actor: Actor | None = None,
    *,
    trouble: str = "",
    status: int = 200,
) -> web.Response:
    """The form, for a new project or for `actor`."""
    return rendering.page(
        request,
        "project_details.html",
        reader=reader,
        status=status,
        typed=typed,
        actor=actor,
        path="/projects" if actor is None else entries.project_path(actor, reader.actor),
        action="/projects/new" if actor is None else f"/projects/{actor.id}/edit",
        limits=profile,
        trouble=trouble,
        harmless=status == 200,
    )


def _typed(fields: Form) -> Typed:
    return Typed(
        name=fields.get("name", ""),
        aim=fields.get("aim", "").replace("\r\n", "\n"),
        openness="open" if fields.get("openness") == "open" else "private",
        moves="ask" if fields.get("moves") == "ask" else "automatic",
        starts=fields.get("starts", ""),
        ends=fields.get("ends", ""),
    )


def _as_kept(actor: Actor, project: Project, zone: ZoneInfo) -> Typed:
    return Typed(
        name=actor.name,
        aim=content.plain(actor.summary),
        openness="private" if project.private else "open",
        moves="ask" if project.moves == "ask" else "automatic",
        starts=_day(project.starts_at, zone),
        ends=_day(project.ends_at, zone),
    )


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).date().isoformat()


def _read(typed: Typed, zone: ZoneInfo) -> Details:
    """What was typed, within its limits. Raises Malformed, saying what is wrong."""
    name = content.one_line(typed.name, profile.NAME_LIMIT + 1)
    if not name:
        raise Malformed("give the project a name")
    if len(name) > profile.NAME_LIMIT:
        raise Malformed(f"the name: use at most {profile.NAME_LIMIT} characters")
    if len(typed.aim) > profile.SUMMARY_LIMIT:
        raise Malformed(f"the aim: use at most {profile.SUMMARY_LIMIT:,} characters")
    first, last = _date(typed.starts, "it starts"), _date(typed.ends, "it ends")
    if first is not None and last is not None and last < first:
        raise Malformed("a project cannot end before it starts")
    return Details(
        name=name,
        aim=typed.aim.strip(),
        openness=typed.openness,
        moves=typed.moves,
        # A day of the school's own calendar, from its first moment to its last.
        starts_at=_moment(first, time.min, zone),
        ends_at=_moment(last, LAST_MOMENT, zone),
    )


def _moment(day: date | None, hour: time, zone: ZoneInfo) -> datetime | None:
    return None if day is None else datetime.combine(day, hour, zone).astimezone(UTC)


def _date(typed: str, what: str) -> date | None:
    if not typed.strip():
        return None
    try:
        found = date.fromisoformat(typed.strip())
    except ValueError:
        raise Malformed(f"the day on which {what}: write it as 2026-09-04") from None
    if found.year not in founding.YEARS:
        raise Malformed(f"the day on which {what}: that year cannot be right")
    return found
