"""What a project is beside an actor: open or private, and its dates.

Ours, and those of other schools that our people are in or were asked into. Whoever is neither in
a private project nor asks or is asked to be does not get to know that there is one: `hidden` says
so for one actor, `audience.knows` for whole queries.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import case, select, update

from storage import audience, sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.memberships import COLUMNS as MEMBERSHIP_COLUMNS
from storage.memberships import Membership
from storage.tables import actors, memberships, projects
from storage.transaction import Transaction

Openness = Literal["open", "private"]
Moves = Literal["automatic", "ask"]

# Nobody has so many, but others may invite as they please.
MOST_OF_ONE = 200


class Same(Enum):
    """Stands for what is not to change, where None means something else."""

    SAME = "same"


SAME: Final = Same.SAME


@dataclass(frozen=True, slots=True)
class Project:
    actor_id: int
    openness: Openness
    moves: Moves  # of ours: whether a role goes along with who moves school, or a lead is asked
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime

    @property
    def private(self) -> bool:
        return self.openness == "private"


COLUMNS = sql.columns(projects, Project)

_GET = select(*COLUMNS).where(projects.c.actor_id == sql.number("of_project"))
_HOLD = sql.holding(_GET)


# --- one project ---------------------------------------------------------------------------------


def add(
    tx: Transaction,
    actor_id: int,
    *,
    openness: Openness,
    moves: Moves = "automatic",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Project:
    """An actor is a project, and this is what it says of itself, now or anew. How roles move
    stays as it was set first: `change` sets it anew."""
    row = Project(actor_id, openness, moves, starts_at, ends_at, tx.now)
    return Project(*tx.execute(_upsert(sql.on_postgresql(tx)), sql.row_of(row)).one())


@cache
def _upsert(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, projects)
    return statement.on_conflict_do_update(
        index_elements=[projects.c.actor_id],
        set_={name: statement.excluded[name] for name in ("openness", "starts_at", "ends_at")},
    ).returning(*COLUMNS)


def get(tx: Transaction, actor_id: int) -> Project | None:
    row = tx.execute(_GET, {"of_project": actor_id}).first()
    return None if row is None else Project(*row)


def hold(tx: Transaction, actor_id: int) -> Project | None:
    """The same, and until COMMIT nobody else who holds it decides anything in it: so two leads
    who leave at the same moment do not both find the other one still there."""
    row = tx.execute(_HOLD, {"of_project": actor_id}).first()
    return None if row is None else Project(*row)


def change(
    tx: Transaction,
    actor_id: int,
    *,
    openness: Openness | None = None,
    moves: Moves | None = None,
    starts_at: datetime | Same | None = SAME,
    ends_at: datetime | Same | None = SAME,
) -> Project:
    """Change what is given; None takes a date away. Raises LookupError if it is no project."""
    given: dict[str, Any] = {"starts_at": starts_at, "ends_at": ends_at}
    if openness is not None:
        given["openness"] = openness
    if moves is not None:
        given["moves"] = moves
    changes = {name: value for name, value in given.items() if value is not SAME}
    if changes:
        tx.execute(update(projects).where(projects.c.actor_id == actor_id).values(**changes))
    changed = get(tx, actor_id)
    if changed is None:
        raise LookupError(f"no project has the row {actor_id}")
    return changed


_BY_MEMBERS = (
    select(*ACTOR_COLUMNS)
    .where(
        actors.c.members.in_(sql.one_of("these")),
        actors.c.type == "Group",
        actors.c.state == "active",
    )
    # What another server writes into its documents takes no address from us.
    .order_by(case((actors.c.peer_id.is_(None), 0), else_=1), actors.c.id)
    # However many groups of a server name one collection as theirs.
    .limit(sql.LARGEST_PAGE)
)


def by_members(tx: Transaction, uri: str) -> Actor | None:
    """The project whose members are the collection `uri`, ours or another school's."""
    return first_by_members(tx, [uri])


def first_by_members(tx: Transaction, uris: Iterable[str]) -> Actor | None:
    """The project whose members are the first of these collections that are anybody's members."""
    wanted = list(dict.fromkeys(uris))
    found: dict[str | None, Actor] = {}
    for row in tx.execute(_BY_MEMBERS, {"these": sorted(wanted)}) if wanted else ():
        found.setdefault(row.members, Actor(*row))
    return next((found[uri] for uri in wanted if uri in found), None)


_BY_URIS = (
    select(*ACTOR_COLUMNS)
    .select_from(projects)
    .join(actors, actors.c.id == projects.c.actor_id)
    .where(actors.c.uri.in_(sql.one_of("these")), actors.c.type == "Group")
)


def first_by_uri(tx: Transaction, uris: Sequence[str]) -> Actor | None:
    """The project with the first of these ids that is anybody's; in any state."""
    asked = {"these": sorted(set(uris))}
    found = {row.uri: Actor(*row) for row in tx.execute(_BY_URIS, asked)} if uris else {}
    return next((found[uri] for uri in uris if uri in found), None)


# --- lists ---------------------------------------------------------------------------------------


_OF_ACTOR = (
    select(*COLUMNS, *ACTOR_COLUMNS, *MEMBERSHIP_COLUMNS)
    .select_from(memberships)
    .join(projects, projects.c.actor_id == memberships.c.project_id)
    .join(actors, actors.c.id == memberships.c.project_id)
    .where(
        memberships.c.actor_id == sql.number("of_actor"),
        memberships.c.ended_at.is_(None),
        audience.welcome(actors),
    )
    # member, invited, asked: however many invite, what one is in stands first.
    .order_by(memberships.c.state.desc(), memberships.c.id.desc())
    .limit(MOST_OF_ONE)
)
_OURS = (
    select(*COLUMNS, *ACTOR_COLUMNS)
    .select_from(projects)
    .join(actors, actors.c.id == projects.c.actor_id)
    .where(actors.c.peer_id.is_(None), actors.c.state != "deleted")
)
_PAGE_OF_OURS = sql.newest(_OURS, projects.c.actor_id)
_PAGE_OF_OPEN = sql.newest(
    _OURS.where(projects.c.openness == "open", actors.c.state == "active"), projects.c.actor_id
)


def of_actor(tx: Transaction, viewer_id: int) -> list[tuple[Project, Actor, Membership]]:
    """What somebody is in, then what they are invited to, then what they ask for; each the latest
    first."""
    return [_with_membership(row) for row in tx.execute(_OF_ACTOR, {"of_actor": viewer_id})]


def open_here(
    tx: Transaction, *, before: int | None = None, limit: int
) -> list[tuple[Project, Actor]]:
    """The open projects of this school, the latest first; the cursor is the actor's id."""
    rows = tx.execute(_PAGE_OF_OPEN, sql.page(before, limit))
    return [(sql.part(Project, row), sql.part(Actor, row, len(COLUMNS))) for row in rows]


def ours(tx: Transaction, *, before: int | None = None, limit: int) -> list[tuple[Project, Actor]]:
    """All projects of this school, private ones too, the latest first: for who runs the server."""
    rows = tx.execute(_PAGE_OF_OURS, sql.page(before, limit))
    return [(sql.part(Project, row), sql.part(Actor, row, len(COLUMNS))) for row in rows]


def _with_membership(row: Any) -> tuple[Project, Actor, Membership]:
    return (
        sql.part(Project, row),
        sql.part(Actor, row, len(COLUMNS)),
        sql.part(Membership, row, len(COLUMNS) + len(ACTOR_COLUMNS)),
    )


# --- who may know of it --------------------------------------------------------------------------


_KNOWN = select(actors.c.id).where(
    actors.c.id == sql.number("of_project"), audience.knows(audience.VIEWER, actors)
)
_KNOWN_BY_HOST = (
    select(memberships.c.id)
    .join(actors, actors.c.id == memberships.c.actor_id)
    .where(
        memberships.c.project_id == sql.number("of_project"),
        memberships.c.state.in_(("member", "invited")),
        memberships.c.ended_at.is_(None),
        actors.c.peer_id == sql.number("of_peer"),
        actors.c.state == "active",
    )
    .limit(1)
)


def hidden(tx: Transaction, viewer_id: int | None, actor: Actor) -> bool:
    """Whether this is a private project of which the viewer, or somebody unknown, must not
    learn."""
    if actor.type != "Group" or viewer_id == actor.id:
        return False
    asked = {"of_project": actor.id, "viewer_id": viewer_id or 0}
    return tx.execute(_KNOWN, asked).first() is None


def known_by_host(tx: Transaction, project_id: int, peer_id: int) -> bool:
    """Whether somebody of that server is a member, or has an invitation that is open."""
    asked = {"of_project": project_id, "of_peer": peer_id}
    return tx.execute(_KNOWN_BY_HOST, asked).first() is not None
