"""What somebody does with a project from a page: each a form, each an activity of theirs.

The page names the project and whom it is about by our own rows. What the project is asked goes to
its school, which decides (`inbox/projects.py`), also where that is ours. Doing again what is done
already is no mistake. A private project is not there for who may not know of it.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from actors.collections import LARGEST_ID
from actors.projects import role_word
from actors.server import Server
from federation.errors import Malformed
from outbox.acting import act
from pages import acts, entries, naming, rooms
from pages.session import Form, Reader, signed_in
from storage import actors, memberships
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership

Activity = dict[str, Any]

# What a button needs to find, for there to be anything left to do.
INVITED: Final = "invited"
ASKED: Final = "asked"
MEMBER: Final = "member"
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True)
class Seat:
    """The project, how the reader stands to it, and how somebody else does whom the form names."""

    project: Actor
    reader: Actor
    own: Membership | None
    person: Actor | None
    their: Membership | None


@signed_in
async def with_project(request: web.Request, reader: Reader) -> web.StreamResponse:
    """POST `/projects/ID/DEED`"""
    return await acts.carried_out(request, reader, _with_project)


async def _with_project(
    server: Server, reader: Reader, request: web.Request, typed: Form
) -> str | None:
    """Where it leads; None for a project that is not there for this reader."""
    number, deed = entries.number(request), request.match_info["deed"]
    seat = await server.database.read(_seat, reader.actor, number, typed.get("person"))
    if seat is None:
        return None
    activity = await DEEDS[deed](server, seat, typed)
    if activity is not None:
        await act(server, reader.actor, activity)
    leads_to = "/projects" if deed in ("leave", "refuse", "withdraw") else _back(seat, deed)
    return f"{leads_to}?done={deed}"


def _back(seat: Seat, deed: str) -> str:
    if deed in ("invite", "role", "remove"):
        return f"/projects/{seat.project.id}/people"
    return entries.project_path(seat.project, seat.reader)


def _seat(tx: Transaction, reader: Actor, number: int, person: str | None) -> Seat | None:
    found = rooms.known(tx, reader, number)
    if found is None:
        return None
    actor, _ = found
    named = _somebody(tx, person)
    return Seat(
        project=actor,
        reader=reader,
        own=memberships.now(tx, actor.id, reader.id),
        person=named,
        their=None if named is None else memberships.now(tx, actor.id, named.id),
    )


def _somebody(tx: Transaction, typed: str | None) -> Actor | None:
    """Whom a form of a lead's names, by the number of their row."""
    if typed is None or not _NUMBER.fullmatch(typed):
        return None
    return actors.by_id(tx, min(int(typed), LARGEST_ID))


# --- the deeds: the activity, or None where nothing is left to do ------------------------------


async def _ask(server: Server, seat: Seat, typed: Form) -> Activity | None:
    if seat.own is not None:
        return None
    return {"type": "Join", "object": seat.project.uri, "instrument": _role(typed)}


async def _withdraw(server: Server, seat: Seat, typed: Form) -> Activity | None:
    if not _is(seat.own, ASKED):
        return None
    return {"type": "Undo", "object": {"type": "Join", "object": seat.project.uri}}


async def _accept(server: Server, seat: Seat, typed: Form) -> Activity | None:
    return _answer("Accept", seat.own, INVITED)


async def _refuse(server: Server, seat: Seat, typed: Form) -> Activity | None:
    return _answer("Reject", seat.own, INVITED)


async def _leave(server: Server, seat: Seat, typed: Form) -> Activity | None:
    return {"type": "Leave", "object": seat.project.uri} if _is(seat.own, MEMBER) else None


async def _invite(server: Server, seat: Seat, typed: Form) -> Activity | None:
    """Raises Malformed for whom nobody finds, and for who takes part already."""
    handle = typed.get("who", "").strip()
    if not handle:
        raise Malformed("type the handle of whom you invite, such as @name@school.example")
    person = await naming.person(server, handle)
    there = await server.database.read(memberships.now, seat.project.id, person.id)
    if _is(there, MEMBER):
        raise Malformed(f"{person.handle} takes part already")
    if _is(there, INVITED):
        return None
    return {
        "type": "Invite",
        "object": seat.project.uri,
        "target": person.uri,
        "instrument": _role(typed),
    }


async def _admit(server: Server, seat: Seat, typed: Form) -> Activity | None:
    return _answer("Accept", seat.their, ASKED)


async def _decline(server: Server, seat: Seat, typed: Form) -> Activity | None:
    return _answer("Reject", seat.their, ASKED)


async def _give_role(server: Server, seat: Seat, typed: Form) -> Activity | None:
    role = _role(typed)
    if seat.person is None or seat.their is None or not _is(seat.their, MEMBER):
        return None
    if role_word(seat.their.role) == role:
        return None
    return {
        "type": "Add",
        "object": seat.person.uri,
        "instrument": role,
        "target": seat.project.members,
    }


async def _remove(server: Server, seat: Seat, typed: Form) -> Activity | None:
    if seat.person is None or seat.their is None:
        return None
    return {"type": "Remove", "object": seat.person.uri, "target": seat.project.members}


Doing = Callable[[Server, Seat, Form], Awaitable[Activity | None]]

DEEDS: Mapping[str, Doing] = {
    "ask": _ask,
    "withdraw": _withdraw,
    "accept": _accept,
    "refuse": _refuse,
    "leave": _leave,
    "invite": _invite,
    "admit": _admit,
    "decline": _decline,
    "role": _give_role,
    "remove": _remove,
}


def _is(there: Membership | None, state: str) -> bool:
    return there is not None and there.state == state


def _answer(kind: str, asked: Membership | None, state: str) -> Activity | None:
    """A yes or no to the Invite or Join with which `asked` began."""
    return {"type": kind, "object": asked.uri} if asked is not None and _is(asked, state) else None


def _role(typed: Form) -> str:
    """The role that was chosen, as it goes over the wire. Raises Malformed."""
    role = typed.get("role", "")
    if role not in rooms.ROLES:
        raise Malformed("choose a role first")
    return role_word(role)
