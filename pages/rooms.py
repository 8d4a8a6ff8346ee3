"""A project as its reader finds it: what it is, who takes part, and what the reader may do there.

Whom only the project has named so far, their own schools are asked who they are, for a moment,
when somebody looks.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from actors import remote
from actors.server import Server
from federation.errors import WireError
from federation.vocabulary import ids_of, web_url
from pages import entries, words
from storage import actors, memberships, peers, projects
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership
from storage.projects import Project

# What each role is called, and what it may do.
ROLES: Mapping[str, tuple[str, str]] = {
    "lead": ("Lead", "Reads, writes, invites people and gives roles."),
    "editor": ("Editor", "Reads and writes."),
    "observer": ("Observer", "Reads, and does not write."),
}
PEOPLE_AT_ONCE = 12
# People of whom we know nothing yet.
MOST_MET = 10
SECONDS_TO_MEET = 3.0


@dataclass(frozen=True)
class Member:
    """Somebody who takes part, asks to, or is asked to."""

    actor: Actor
    membership: Membership
    path: str
    school: str

    @property
    def role(self) -> str:
        return ROLES[self.membership.role][0]


@dataclass(frozen=True)
class Lead:
    """Somebody who is responsible; by their id where we know nothing else of them."""

    uri: str
    name: str
    path: str
    school: str
    met: bool


@dataclass(frozen=True)
class Room:
    """One project. `may` are the deeds that are offered."""

    actor: Actor
    project: Project
    path: str
    school: str
    membership: Membership | None
    may: frozenset[str]
    about: Markup
    leads: list[Lead]
    members: list[Member]
    count: int
    shows_people: bool
    target: str  # the server of its own page

    @property
    def role(self) -> str:
        """The reader's, "" for who does not take part."""
        there = self.membership
        return there.role if there is not None and there.state == "member" else ""

    @property
    def state(self) -> str:
        return "" if self.membership is None else self.membership.state

    @property
    def strangers(self) -> list[str]:
        """The ids of those whom we have not met."""
        return [*(one.uri for one in self.leads if not one.met), *strangers(self.members)]


# --- what a reader may know --------------------------------------------------------------------


def known(tx: Transaction, reader: Actor | None, number: int) -> tuple[Actor, Project] | None:
    """The project with the row `number`, if this reader may know of it (SECURITY R12)."""
    actor = actors.by_id(tx, number)
    if actor is None or actor.type != "Group" or actor.state != "active":
        return None
    if not actor.local and reader is None:
        return None
    if not actor.local and peers.policy(tx, words.target(actor.uri)) == "blocked":
        return None
    if projects.hidden(tx, None if reader is None else reader.id, actor):
        return None
    project = projects.get(tx, actor.id)
    return None if project is None else (actor, project)


def school_of(tx: Transaction, actor: Actor) -> str:
    """The school that somebody works at, or that a project stands at."""
    return tx.school.name if actor.local else actor.host


def room(tx: Transaction, reader: Actor | None, number: int) -> Room | None:
    """The project as this reader finds it, without what was said in it."""
    found = known(tx, reader, number)
    if found is None:
        return None
    actor, project = found
    there = None if reader is None else memberships.now(tx, actor.id, reader.id)
    takes_part = there is not None and there.state == "member"
    # Of another school's project we hear who takes part only while one of ours does.
    shows_people = reader is not None and (takes_part or (actor.local and not project.private))
    rows: list[tuple[Membership, Actor]] = []
    if shows_people and reader is not None:
        rows = memberships.seen_members(tx, reader.id, actor.id, limit=PEOPLE_AT_ONCE)
    leads = memberships.leads(tx, actor.id)
    return Room(
        actor=actor,
        project=project,
        path=entries.project_path(actor, reader),
        school=school_of(tx, actor),
        membership=there,
        may=_may(reader, actor, project, there, [lead.id for lead in leads]),
        about=words.shown(actor.summary, tx.school.host),
        leads=[] if reader is None else _leads(tx, reader, actor, leads, takes_part),
        members=members(tx, reader, rows),
        count=memberships.count(tx, actor.id) if shows_people else 0,
        shows_people=shows_people,
        target=words.target(actor.url),
    )


def members(
    tx: Transaction, reader: Actor | None, rows: Sequence[tuple[Membership, Actor]]
) -> list[Member]:
    """Those people as they stand in a list."""
    return [
        Member(actor, there, entries.person_path(actor, reader), school_of(tx, actor))
        for there, actor in rows
    ]


def _leads(
    tx: Transaction, reader: Actor, actor: Actor, leads: Sequence[Actor], takes_part: bool
) -> list[Lead]:
    """The people responsible. Who is only invited to another school's project has the project's
    own word for it; that one of ours leads it we know ourselves."""
    if actor.local or takes_part:
        return [_lead(tx, reader, lead.uri, lead) for lead in leads[:PEOPLE_AT_ONCE]]
    said = ids_of(json.loads(actor.document).get("attributedTo"))[:PEOPLE_AT_ONCE]
    found = actors.by_uris(tx, said) | {lead.uri: lead for lead in leads}
    ours = [uri for uri in said if uri in found and found[uri].local and found[uri] not in leads]
    return [_lead(tx, reader, uri, found.get(uri)) for uri in said if uri not in ours]


def _lead(tx: Transaction, reader: Actor, uri: str, actor: Actor | None) -> Lead:
    if actor is None:
        return Lead(uri, uri, web_url(uri) or "", words.target(uri), met=False)
    met = actor.local or actor.fetched_at is not None
    return Lead(uri, actor.name, entries.person_path(actor, reader), school_of(tx, actor), met)


def _may(
    reader: Actor | None,
    actor: Actor,
    project: Project,
    there: Membership | None,
    leads: list[int],
) -> frozenset[str]:
    """What the reader may do with a project. The verbs decide again; this is what is offered."""
    if reader is None:
        return frozenset()
    state, role = ("", "") if there is None else (there.state, there.role)
    may: set[str] = set()
    if state == "invited":
        may |= {"accept", "refuse"}
    elif state == "asked":
        may.add("withdraw")
    elif state == "member":
        if role != "lead" or leads != [reader.id]:
            may.add("leave")
        if role in entries.WRITERS:
            may.add("write")
        if role == "lead":
            may.add("lead")
            if actor.local:
                may.add("edit")
    elif not project.private:
        may.add("ask")
    return frozenset(may - {"accept", "ask", "write", "lead", "edit"} if reader.moved_to else may)


# --- whom only the project has named so far ----------------------------------------------------


def strangers(people: Iterable[Member]) -> list[str]:
    """The ids of those of other schools of whom we know nothing else."""
    return [one.actor.uri for one in people if not one.actor.local and one.actor.fetched_at is None]


async def met(server: Server, uris: Iterable[str]) -> bool:
    """Ask their own schools who they are, for a moment; whether one answered. A school that is
    away just now is not waited for."""
    wanted = list(dict.fromkeys(uris))[:MOST_MET]
    if not wanted:
        return False
    near = await server.database.read(_within_reach, wanted)
    asking = [asyncio.create_task(remote.actor(server, uri)) for uri in near]
    if not asking:
        return False
    answered, late = await asyncio.wait(asking, timeout=SECONDS_TO_MEET)
    for task in late:
        task.cancel()
    failures = [task.exception() for task in answered]
    for failure in failures:
        if failure is not None and not isinstance(failure, WireError):
            raise failure
    return None in failures


def _within_reach(tx: Transaction, uris: Sequence[str]) -> list[str]:
    there = {uri: peers.by_host(tx, words.target(uri)) for uri in uris}
    return [uri for uri, peer in there.items() if peer is None or not peer.failures]
