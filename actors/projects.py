"""Projects: people of several schools who work on something, and the actor that stands for them.

A project lives at one school, its host, which alone decides who is in it and as what (SECURITY
R36). It is a `Group` with keys of its own. An open one is there for everybody. A private one is
there for its members and for whom it invited; for everybody else it does not exist, here or at
their schools (R10–R13): access is per person, not per server.
https://codeberg.org/fediverse/fep/src/branch/main/fep/1b12/fep-1b12.md; the words for roles are
those of https://forgefed.org/spec/, those for openness are Mobilizon's.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from actors import local, profile, remote, staff
from federation import content, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from storage import actors, follows, keys, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import School, Transaction
from storage.memberships import Membership, Role
from storage.projects import SAME, Moves, Openness, Project, Same

NO_PROJECT: Final = "no such project"
"""The one answer for what is not there and for what somebody may not know of."""

SLUG = re.compile(r"[a-z](?:[a-z0-9_-]{0,28}[a-z0-9_])?")
LONGEST_SLUG: Final = 30
RESERVED = staff.RESERVED | {"new"}

ROSTER_LIMIT: Final = 200
"""Members that one document lists (SECURITY R20)."""

WORDS: Final[dict[str, str]] = {"lead": "admin", "editor": "write", "observer": "visit"}
"""What each role is called on the way to others."""

_ROLES: Final[dict[str, Role]] = {
    "admin": "lead",
    "write": "editor",
    "visit": "observer",
    "lead": "lead",
    "editor": "editor",
    "observer": "observer",
}
ROLE_FIELDS: Final = ("instrument", "role")
"""Where an activity or a Relationship says it."""

_FORGEFED: Final = ("https://forgefed.org/ns#", "forge:")
_OPENNESS: Final = {"open": "moderated", "private": "invite_only"}


class BadSlug(ValueError):
    """This cannot be the name of a project in its address; the text says why."""


def project_uri(school: School, slug: str) -> str:
    return f"{school.url}/projects/{slug}"


# --- names -------------------------------------------------------------------------------------


def normal_slug(typed: str) -> str:
    """The name in the address as it is kept. Raises BadSlug."""
    slug = typed.strip().lower()
    if not SLUG.fullmatch(slug):
        raise BadSlug(
            f"{typed!r} cannot be the name of a project in its address: use 1 to {LONGEST_SLUG} "
            "letters a–z, digits, underscores and dashes, a letter first and no dash last"
        )
    if slug in RESERVED:
        raise BadSlug(f"{slug!r} is kept for the school itself: choose another name")
    return slug


def slug_for(name: str, *, private: bool, random: str) -> str:
    """A name in the address, made of the name of the project.

    `random` is a tail of lower-case letters and digits. A private project gets it always, so that
    nobody finds out by a name that is taken that there is one.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    words = words if words[:1].isalpha() else f"project-{words}".strip("-")
    whole = words[:LONGEST_SLUG].rstrip("-")
    if not private and whole not in RESERVED:
        return whole
    return f"{words[: LONGEST_SLUG - len(random) - 1].rstrip('-')}-{random}"


# --- ours --------------------------------------------------------------------------------------


def create(
    tx: Transaction,
    *,
    slug: str,
    name: str,
    owner: Actor,
    aim: str = "",
    openness: Openness = "open",
    moves: Moves = "automatic",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Actor:
    """A new project of this school, with keys; `owner`, one of our people, leads it.

    `aim` is plain text as typed. Raises BadSlug, actors.UsernameTaken, and ValueError for an owner
    who is none of our people or for dates that cannot be.
    """
    if not owner.local or owner.type != "Person" or owner.state != "active":
        raise ValueError(f"{owner.handle} is nobody who works here: a project needs such a lead")
    if openness not in _OPENNESS:
        raise ValueError(f"{openness!r} is not how a project is: open or private")
    kept = normal_slug(slug)
    _in_order(starts_at, ends_at)
    uri = project_uri(tx.school, kept)
    public = openness == "open"
    project = local.add(
        tx,
        uri=uri,
        kind="Group",
        username=kept,
        name=content.one_line(name, profile.NAME_LIMIT) or kept,
        summary=staff.about(aim),
        page=uri,
        said=_said(public),
        listed=public,
        members=f"{uri}/members",
    )
    rows.add(tx, project.id, openness=openness, moves=moves, starts_at=starts_at, ends_at=ends_at)
    memberships.begin(tx, project.id, owner.id, "lead", f"{uri}#owner")
    return project


def change(
    tx: Transaction,
    project: Actor,
    *,
    name: str | None = None,
    aim: str | None = None,
    openness: Openness | None = None,
    moves: Moves | None = None,
    starts_at: datetime | Same | None = SAME,
    ends_at: datetime | Same | None = SAME,
) -> Actor:
    """Change what is given of a project of ours; None is a date that is taken away.

    One that becomes private has no followers any more, and one that opens may have some; what was
    written for its members stays theirs. Raises ValueError for dates that cannot be.
    """
    known = _row(tx, project)
    start = known.starts_at if isinstance(starts_at, Same) else starts_at
    end = known.ends_at if isinstance(ends_at, Same) else ends_at
    _in_order(start, end)
    now = openness or known.openness
    rows.change(
        tx, project.id, openness=now, moves=moves or known.moves, starts_at=start, ends_at=end
    )
    public = now == "open"
    if now != known.openness:
        _open_or_close(tx, project, public)
    return actors.update_local(
        tx,
        project.id,
        name=None if name is None else content.one_line(name, profile.NAME_LIMIT) or project.name,
        summary=None if aim is None else staff.about(aim),
        document=_said(public).document(),
    )


def _said(public: bool) -> profile.Profile:
    return profile.Profile(discoverable=public, indexable=public)


def _open_or_close(tx: Transaction, project: Actor, public: bool) -> None:
    actors.set_lists(
        tx,
        project.id,
        followers=f"{project.uri}/followers" if public else None,
        featured=f"{project.uri}/featured" if public else None,
    )
    if not public:
        follows.end_all(tx, project.id)


def edited(tx: Transaction, project: Actor, said: dict[str, Any]) -> Actor:
    """Change a project of ours as the object of an Update says it.

    Its name, aim (`summary`, plain text), openness and dates; what it leaves out stays, and null
    takes it away. Raises Malformed for anything else in it.
    """
    for field in said:
        if field not in ("@context", "id", "type", *_EDITABLE):
            raise Malformed(f"{field} of a project cannot be changed here")
    name, aim = _typed_text(said, "name"), _typed_text(said, "summary")
    if aim is not None and len(aim) > profile.SUMMARY_LIMIT:
        raise Malformed(f"an aim has at most {profile.SUMMARY_LIMIT:,} characters")
    openness = said.get("openness")
    if openness is not None and openness not in _OPENNESS.values():
        raise Malformed(f"openness is {' or '.join(_OPENNESS.values())}")
    try:
        return change(
            tx,
            project,
            name=name,
            aim=aim,
            openness=None if openness is None else remote.openness(said),
            starts_at=_typed_date(said, "startTime"),
            ends_at=_typed_date(said, "endTime"),
        )
    except ValueError as error:
        raise Malformed(str(error)) from error


# Beyond them the calendar ends somewhere for schools that are ahead of or behind Greenwich.
YEARS: Final = range(1971, 2200)
_EDITABLE: Final = ("name", "summary", "openness", "startTime", "endTime")


def _typed_text(said: dict[str, Any], field: str) -> str | None:
    """What is to be said now; None where nothing changes, "" where it is taken away."""
    if field not in said:
        return None
    text = "" if said[field] is None else said[field]
    if not isinstance(text, str):
        raise Malformed(f"{field} of a project is text")
    return text


def _typed_date(said: dict[str, Any], field: str) -> datetime | Same | None:
    if field not in said:
        return SAME
    if said[field] is None:
        return None
    found = vocabulary.moment(said[field])
    if found is None:
        raise Malformed(f"{field} must be a date such as 2026-09-01T08:00:00Z")
    return found


def _in_order(starts_at: datetime | None, ends_at: datetime | None) -> None:
    if not all(at is None or at.year in YEARS for at in (starts_at, ends_at)):
        raise ValueError("a project begins and ends in our time: that year cannot be right")
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        raise ValueError("a project cannot end before it begins")


def _row(tx: Transaction, project: Actor) -> Project:
    found = rows.get(tx, project.id)
    if found is None:
        raise Refused(NO_PROJECT)
    return found


# --- finding -----------------------------------------------------------------------------------


def ours(tx: Transaction, uri: str | None) -> Actor:
    """The active project of this school with that id; raises Refused for anything else.

    Says nothing about who may know of it: `known` does.
    """
    found = actors.by_uri(tx, uri) if uri else None
    if found is None or not _is_project(found) or not found.local or found.state != "active":
        raise Refused(NO_PROJECT)
    return found


def known(tx: Transaction, uri: str | None, viewer: Actor) -> Actor:
    """The project with that id, ours or another school's, if that person may know of it."""
    found = actors.by_uri(tx, uri) if uri else None
    if found is None or not _is_project(found) or found.state != "active":
        raise Refused(NO_PROJECT)
    if rows.hidden(tx, viewer.id, found):
        raise Refused(NO_PROJECT)
    return found


def _is_project(actor: Actor) -> bool:
    return actor.type == "Group" and actor.members is not None


# --- roles -------------------------------------------------------------------------------------


def role_word(role: str) -> str:
    """What a role is called on the way to others."""
    return WORDS[role]


def role_of(document: Mapping[str, Any]) -> Role:
    """The role that an activity or a Relationship gives: `instrument`, or `role`, else editor.

    Raises Refused for a word that we do not know: nobody gets a role by a guess.
    """
    said = vocabulary.one(document.get("instrument")) or vocabulary.one(document.get("role"))
    if said is None:
        return "editor"
    word = vocabulary.id_of(said) or ""
    for prefix in _FORGEFED:
        word = word.removeprefix(prefix)
    if word not in _ROLES:
        raise Refused("a role that we do not know")
    return _ROLES[word]


def says_role(document: Mapping[str, Any]) -> bool:
    """Whether it gives a role at all, known to us or not."""
    return any(vocabulary.one(document.get(field)) is not None for field in ROLE_FIELDS)


def whom(activity: Mapping[str, Any]) -> Any:
    """Whom an Add to the members of a project, or a Remove, is about: by their id, or in a
    Relationship."""
    said = vocabulary.one(activity.get("object"))
    return said.get("object") if _is_relationship(said) else said


def role_given(activity: Mapping[str, Any]) -> Role:
    """The role that such an Add gives: in its Relationship, or beside it. Raises Refused."""
    said = vocabulary.one(activity.get("object"))
    inside = _is_relationship(said) and says_role(said)
    return role_of(said if inside else activity)


def _is_relationship(said: Any) -> bool:
    return isinstance(said, dict) and "Relationship" in vocabulary.types_of(said)


def relationship(
    project: Actor,
    person: str,
    role: str,
    *,
    since: datetime | None = None,
    formerly: str | None = None,
) -> dict[str, Any]:
    """That somebody is in a project, and as what; `formerly` is who they were before they moved."""
    built: dict[str, Any] = {
        "type": "Relationship",
        "subject": project.uri,
        "relationship": "hasMember",
        "object": person,
        "instrument": role_word(role),
    }
    if since is not None:
        built["startTime"] = vocabulary.rfc3339(since)
    if formerly is not None:
        built["origin"] = formerly
    return built


def relationships(
    tx: Transaction, project: Actor, limit: int = ROSTER_LIMIT
) -> list[dict[str, Any]]:
    """Who is in a project of ours, newest first, as Relationships: for those who may know."""
    found: list[tuple[Membership, Actor]] = []
    while len(found) < limit:
        before = found[-1][0].id if found else None
        page = memberships.members(tx, project.id, before=before, limit=limit - len(found))
        if not page:
            break
        found += page
    return [_relationship(project, *pair) for pair in found]


def roster(
    tx: Transaction, viewer: Viewer, project: Actor, before: int | None, limit: int
) -> list[tuple[int, dict[str, Any]]]:
    """A page of that list as somebody may see it: pairs of the place in it and the Relationship."""
    rows_of_page = memberships.seen_members(
        tx, viewer.actor_id, project.id, before=before, limit=limit
    )
    return [(pair[0].id, _relationship(project, *pair)) for pair in rows_of_page]


def _relationship(project: Actor, member: Membership, person: Actor) -> dict[str, Any]:
    return relationship(project, person.uri, member.role, since=member.began_at)


# --- documents ---------------------------------------------------------------------------------


def document(tx: Transaction, project: Actor) -> dict[str, Any]:
    """All that a project of ours says of itself: for those who may know of it."""
    shown = local.document(tx.school, project, keys.of_actor(tx, project.id))
    known = rows.get(tx, project.id)
    if known is None or project.state != "active":
        return shown
    shown |= {
        "members": project.members,
        "openness": _OPENNESS[known.openness],
        "attributedTo": [lead.uri for lead in memberships.leads(tx, project.id)],
    }
    if known.starts_at is not None:
        shown["startTime"] = vocabulary.rfc3339(known.starts_at)
    if known.ends_at is not None:
        shown["endTime"] = vocabulary.rfc3339(known.ends_at)
    return shown


def with_roster(tx: Transaction, project: Actor) -> dict[str, Any]:
    """The document with everybody who is in it: what a newcomer's school needs."""
    members = {
        "type": "Collection",
        "id": project.members,
        "totalItems": memberships.count(tx, project.id),
        "items": relationships(tx, project),
    }
    return document(tx, project) | {"members": members}


# --- other schools' ----------------------------------------------------------------------------


def keep_document(tx: Transaction, project: Actor, said: dict[str, Any], rules: Rules) -> Actor:
    """What a project of another school says of itself, in an activity of its own.

    Keys are never taken from it: they count as served by its id. Raises Malformed for what is no
    whole document of a project, Refused for what is about another one, or under another spelling.
    """
    if remote.is_stub(said) or vocabulary.id_of(said.get("members")) is None:
        raise Malformed("not the document of a project")
    read = remote.fields(said, rules)
    if read.type != "Group" or read.members is None:
        raise Malformed("not the document of a project")
    if read.uri != project.uri or project.local:
        raise Refused("a project speaks of itself alone, under its own id")
    kept = remote.save(tx, read, None)
    rows.add(
        tx,
        kept.id,
        openness=remote.openness(said),
        starts_at=_said_date(said, "startTime"),
        ends_at=_said_date(said, "endTime"),
    )
    return kept


def _said_date(said: dict[str, Any], field: str) -> datetime | None:
    found = vocabulary.moment(said.get(field))
    return found if found is not None and found.year in YEARS else None
