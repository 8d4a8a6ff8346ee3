"""Projects of the town's schools, and who is in them as each school knows it."""

from dataclasses import dataclass
from typing import Any, Literal

from actors import projects
from storage import actors, memberships, notifications, tables
from storage.database import Transaction
from tests.town import Person, TownSchool

ROLES = {"lead": "admin", "editor": "write", "observer": "visit"}


@dataclass(frozen=True)
class Project:
    """A project of a school of the town."""

    school: TownSchool
    uri: str

    @property
    def members(self) -> str:
        return f"{self.uri}/members"


async def found(
    lead: Person, slug: str, openness: Literal["open", "private"] = "open", **more: Any
) -> Project:
    """Alice begins a project at her school."""

    def make(tx: Transaction) -> str:
        owner = actors.by_id(tx, lead.id)
        assert owner is not None
        name = slug.title()
        return projects.create(tx, slug=slug, name=name, owner=owner, openness=openness, **more).uri

    return Project(lead.school, await lead.school.write(make))


async def roster(school: TownSchool, project: Project) -> dict[str, str]:
    """Who is in it as that school knows it: usernames and roles."""

    def look(tx: Transaction) -> dict[str, str]:
        known = actors.by_uri(tx, project.uri)
        if known is None:
            return {}
        page = memberships.members(tx, known.id, limit=80)
        return {person.username: member.role for member, person in page}

    return await school.read(look)


async def standing(school: TownSchool, project: Project, person: str) -> str:
    """What somebody is to a project as that school knows it: the state and role, or nothing."""

    def look(tx: Transaction) -> str:
        known, somebody = actors.by_uri(tx, project.uri), actors.by_uri(tx, person)
        if known is None or somebody is None:
            return "nothing"
        row = memberships.now(tx, known.id, somebody.id)
        return "nothing" if row is None else f"{row.state} {row.role}"

    return await school.read(look)


async def waiting(school: TownSchool, project: Project, person: str) -> str:
    """The id of what waits for an answer between the two, as that school knows it."""

    def look(tx: Transaction) -> str:
        known, somebody = actors.by_uri(tx, project.uri), actors.by_uri(tx, person)
        assert known is not None
        assert somebody is not None
        row = memberships.now(tx, known.id, somebody.id)
        assert row is not None
        return row.uri

    return await school.read(look)


async def told(owner: Person) -> list[str]:
    """What somebody was notified of: kinds, and by whom."""

    def look(tx: Transaction) -> list[str]:
        page = notifications.recent(tx, owner.id, before=None, limit=20)
        return sorted(f"{one.kind} {one.actor.username}" for one in page)

    return await owner.school.read(look)


async def invite(lead: Person, project: Project, person: str, role: str = "editor") -> None:
    await lead.post(
        {"type": "Invite", "object": project.uri, "target": person, "instrument": ROLES[role]}
    )
    await lead.school.town.settle()


async def answer(person: Person, kind: str, project: Project) -> None:
    """Accept or Reject an invitation, by its id."""
    uri = await waiting(person.school, project, person.uri)
    await person.post({"type": kind, "object": uri})
    await person.school.town.settle()


async def everyone_in(project: Project, lead: Person, *people: tuple[Person, str]) -> None:
    """These people are invited, and say yes."""
    for person, role in people:
        await invite(lead, project, person.uri, role)
        await answer(person, "Accept", project)


async def reasons(school: TownSchool, uri: str) -> list[str | None]:
    """Why what arrived under that id had no effect, copy by copy."""

    def look(tx: Transaction) -> list[str | None]:
        table = tables.received
        found = tx.execute(table.select().where(table.c.uri == uri).order_by(table.c.id))
        return [row.reason for row in found]

    return await school.read(look)
