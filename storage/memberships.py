"""Who is in a project, who asks to be in it and who is asked; and who was, in what role, how long.

Of a project of ours these rows are the truth; of others, what their host said last. Somebody has
one row that counts in each project. When it ends it stays as what was, and counts for nothing:
what members may see is asked of the rows that have not ended (`storage/audience.py`), each time.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    union_all,
    update,
)

from storage import audience, sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import Moment, actors, memberships, projects
from storage.transaction import Transaction

Role = Literal["lead", "editor", "observer"]
State = Literal["asked", "invited", "member"]

# Beyond it a number says no more than "many".
MOST_WAITING = 99


@dataclass(frozen=True, slots=True)
class Membership:
    id: int
    project_id: int
    actor_id: int
    role: Role
    state: State
    uri: str  # of the Join, Invite or Add that it began with
    formerly_id: int | None  # who they were before they moved school
    created_at: datetime
    began_at: datetime | None  # as a member
    ended_at: datetime | None


COLUMNS = sql.columns(memberships, Membership)

_PROJECT = memberships.c.project_id == sql.number("of_project")
_ACTOR = memberships.c.actor_id == sql.number("of_actor")
_STATE = memberships.c.state == sql.words("of_state")
_MEMBER = memberships.c.state == "member"
_NOW = memberships.c.ended_at.is_(None)
_MOMENT = bindparam("moment", type_=Moment())


# --- one person in one project -------------------------------------------------------------------


_GET = select(*COLUMNS).where(_PROJECT, _ACTOR, _NOW)
_BY_URI = (
    select(*COLUMNS)
    .where(memberships.c.uri == sql.words("of_uri"), _NOW)
    .order_by(memberships.c.id.desc())
    .limit(1)
)
_ROLE = select(memberships.c.role).where(_PROJECT, _ACTOR, _MEMBER, _NOW)


def now(tx: Transaction, project_id: int, actor_id: int) -> Membership | None:
    """Whether somebody asks, is asked or is a member; None if nothing of it, or no more."""
    row = tx.execute(_GET, {"of_project": project_id, "of_actor": actor_id}).first()
    return None if row is None else Membership(*row)


def by_uri(tx: Transaction, uri: str) -> Membership | None:
    """What began with this Join, Invite or Add and holds; whose it is, the caller checks."""
    row = tx.execute(_BY_URI, {"of_uri": uri}).first()
    return None if row is None else Membership(*row)


def is_taken(tx: Transaction, uri: str, project_id: int, actor_id: int) -> bool:
    """Whether what holds under this id is between another project and person: a yes to the one
    would be a yes to the other."""
    known = by_uri(tx, uri)
    return known is not None and (known.project_id, known.actor_id) != (project_id, actor_id)


def role(tx: Transaction, project_id: int, actor_id: int) -> Role | None:
    """What a member may do in the project; None for who is none."""
    asked = {"of_project": project_id, "of_actor": actor_id}
    found: Role | None = tx.execute(_ROLE, asked).scalar()
    return found


# --- asking, being asked, beginning, ending ------------------------------------------------------


def ask(
    tx: Transaction,
    project_id: int,
    actor_id: int,
    role: Role,
    uri: str,
    formerly_id: int | None = None,
) -> Membership:
    """Somebody wants to be a member, perhaps still, perhaps after they were invited: the latest
    role and id count. Members stay what they are."""
    return _keep(tx, project_id, actor_id, role, "asked", uri, formerly_id)


def invite(
    tx: Transaction,
    project_id: int,
    actor_id: int,
    role: Role,
    uri: str,
    formerly_id: int | None = None,
) -> Membership:
    """The project wants somebody, perhaps still, perhaps after they asked: the latest role and id
    count. Members stay what they are."""
    return _keep(tx, project_id, actor_id, role, "invited", uri, formerly_id)


def begin(
    tx: Transaction,
    project_id: int,
    actor_id: int,
    role: Role,
    uri: str,
    formerly_id: int | None = None,
) -> Membership:
    """Somebody is a member from now on, and who they were formerly is none from the same moment.

    What they asked, or were asked, becomes this. Of a member only the role changes.
    """
    if formerly_id is not None:
        _hold(tx, project_id, (actor_id, formerly_id))
        end(tx, project_id, formerly_id)
    return _keep(tx, project_id, actor_id, role, "member", uri, formerly_id)


_SET_ROLE = (
    update(memberships)
    .where(
        memberships.c.id == sql.number("of_id"),
        memberships.c.role != sql.words("new_role"),
        _MEMBER,
        _NOW,
    )
    .values(role=sql.words("new_role"))
)
_END = update(memberships).where(_PROJECT, _ACTOR, _NOW).values(ended_at=_MOMENT)
_END_ALL = update(memberships).where(_PROJECT, _NOW).values(ended_at=_MOMENT)
_ENDED_AT = select(func.max(memberships.c.ended_at)).where(_PROJECT, _ACTOR)
_HOLD = sql.holding(
    select(memberships.c.id)
    .where(_PROJECT, memberships.c.actor_id.in_(sql.one_of("these")), _NOW)
    .order_by(memberships.c.id)
)


def set_role(tx: Transaction, membership_id: int, role: Role) -> bool:
    """A member gets another role. False if it is theirs already, or the membership is over."""
    return tx.execute(_SET_ROLE, {"of_id": membership_id, "new_role": role}).rowcount > 0


def end(tx: Transaction, project_id: int, actor_id: int, at: datetime | None = None) -> bool:
    """Somebody is a member no more, now or since `at`, or neither asks nor is asked. False if they
    were nothing."""
    asked = {"of_project": project_id, "of_actor": actor_id, "moment": at or tx.now}
    return tx.execute(_END, asked).rowcount > 0


def end_all(tx: Transaction, project_id: int) -> int:
    """Of a project of another school nothing more is known: the last of our people left it."""
    return tx.execute(_END_ALL, {"of_project": project_id, "moment": tx.now}).rowcount


def ended_at(tx: Transaction, project_id: int, actor_id: int) -> datetime | None:
    """When what somebody was last in the project ended; None if it never did."""
    return tx.execute(_ENDED_AT, {"of_project": project_id, "of_actor": actor_id}).scalar()


def _hold(tx: Transaction, project_id: int, these: tuple[int, ...]) -> None:
    tx.execute(_HOLD, {"of_project": project_id, "these": sorted(these)})


def _keep(
    tx: Transaction,
    project_id: int,
    actor_id: int,
    role: Role,
    state: State,
    uri: str,
    formerly_id: int | None,
) -> Membership:
    began_at = tx.now if state == "member" else None
    row = Membership(
        tx.new_id(), project_id, actor_id, role, state, uri, formerly_id, tx.now, began_at, None
    )
    statement = _upsert(sql.on_postgresql(tx))
    return Membership(*tx.execute(statement, sql.row_of(row)).one())


@cache
def _upsert(for_postgresql: bool) -> Any:
    """Make a row, or change the one that counts: of who asks or is asked all, of a member the role
    alone, and that only by what makes members."""
    statement = sql.insert_for(for_postgresql, memberships)
    new = statement.excluded

    def unless(which: ColumnElement[bool], name: str) -> ColumnElement[Any]:
        return case((which, memberships.c[name]), else_=new[name])

    return statement.on_conflict_do_update(
        index_elements=[memberships.c.project_id, memberships.c.actor_id],
        index_where=_NOW,
        set_={
            "role": unless(and_(_MEMBER, new.state != "member"), "role"),
            "state": unless(_MEMBER, "state"),
            "uri": unless(_MEMBER, "uri"),
            "began_at": unless(_MEMBER, "began_at"),
            "formerly_id": func.coalesce(new.formerly_id, memberships.c.formerly_id),
        },
    ).returning(*COLUMNS)


# --- everybody in a project ----------------------------------------------------------------------


_OF_PROJECT = (
    select(*COLUMNS, *ACTOR_COLUMNS)
    .select_from(memberships)
    .join(actors, actors.c.id == memberships.c.actor_id)
    .where(_PROJECT)
)
_CURRENT = _OF_PROJECT.where(_NOW, audience.welcome(actors))
_MEMBERS = _CURRENT.where(_MEMBER)
_PAGE_OF_MEMBERS = sql.newest(_MEMBERS, memberships.c.id)
_PAGE_OF_HISTORY = sql.newest(_OF_PROJECT, memberships.c.id)
_COUNT = _MEMBERS.with_only_columns(func.count())
_COUNT_OURS = _CURRENT.where(actors.c.peer_id.is_(None)).with_only_columns(func.count())
_ONE_MORE = (
    select(memberships.c.id).where(_PROJECT).limit(1).offset(bindparam("before_it", type_=Integer))
)
_OF_STATE = _CURRENT.where(_STATE).order_by(memberships.c.id).limit(sql.LARGEST_PAGE)
_LEADS = (
    _MEMBERS.with_only_columns(*ACTOR_COLUMNS)
    .where(memberships.c.role == "lead")
    .order_by(actors.c.id)
)

_project, _viewers = projects.alias("theirs"), memberships.alias("viewers")
_SEEN_MEMBERS = sql.newest(
    _MEMBERS.where(
        or_(
            sql.any_row(
                [_project],
                _project.c.actor_id == memberships.c.project_id,
                _project.c.openness == "open",
            ),
            sql.any_row(
                [_viewers],
                _viewers.c.project_id == memberships.c.project_id,
                _viewers.c.actor_id == audience.VIEWER,
                audience.lasting(_viewers),
            ),
        )
    ),
    memberships.c.id,
)


def members(
    tx: Transaction, project_id: int, *, before: int | None = None, limit: int
) -> list[tuple[Membership, Actor]]:
    """Everyone who is in it, the latest first, at most 80; the cursor is the membership's id.

    For the project itself: to count, to tell them something. What is shown to somebody is asked
    with `seen_members`.
    """
    return _pairs(
        tx.execute(_PAGE_OF_MEMBERS, {"of_project": project_id, **sql.page(before, limit)})
    )


def seen_members(
    tx: Transaction,
    viewer_id: int | None,
    project_id: int,
    *,
    before: int | None = None,
    limit: int,
) -> list[tuple[Membership, Actor]]:
    """The same as `viewer_id` may see it: everyone of an open project, and of a private one
    everyone to its members and nobody to others."""
    asked = {"of_project": project_id, "viewer_id": viewer_id or 0, **sql.page(before, limit)}
    return _pairs(tx.execute(_SEEN_MEMBERS, asked))


def of_state(tx: Transaction, project_id: int, state: State) -> list[tuple[Membership, Actor]]:
    """Who asks, or is asked, the longest waiting first, at most 80."""
    return _pairs(tx.execute(_OF_STATE, {"of_project": project_id, "of_state": state}))


def history(
    tx: Transaction, project_id: int, *, before: int | None = None, limit: int
) -> list[tuple[Membership, Actor]]:
    """Everyone who ever asked, was asked or was in it, what began last first, at most 80."""
    return _pairs(
        tx.execute(_PAGE_OF_HISTORY, {"of_project": project_id, **sql.page(before, limit)})
    )


def count(tx: Transaction, project_id: int) -> int:
    """How many members it has."""
    return tx.execute(_COUNT, {"of_project": project_id}).scalar_one()


def reaches(tx: Transaction, project_id: int, most: int) -> bool:
    """Whether as many as `most` are or were in it, asked or were asked."""
    asked = {"of_project": project_id, "before_it": most - 1}
    return tx.execute(_ONE_MORE, asked).first() is not None


def ours(tx: Transaction, project_id: int) -> int:
    """How many of our people are in it, ask to be, or are asked."""
    return tx.execute(_COUNT_OURS, {"of_project": project_id}).scalar_one()


def leads(tx: Transaction, project_id: int) -> list[Actor]:
    """The people responsible, as far as they can act: not who was suspended or is gone."""
    return [Actor(*row) for row in tx.execute(_LEADS, {"of_project": project_id})]


def _pairs(rows: Any) -> list[tuple[Membership, Actor]]:
    return [(sql.part(Membership, row), sql.part(Actor, row, len(COLUMNS))) for row in rows]


# --- one person everywhere -----------------------------------------------------------------------


_OF_ACTOR = select(*COLUMNS).where(_ACTOR, _NOW).order_by(memberships.c.id)

_led = memberships.alias("led")
_ASKS = (
    select(memberships.c.id)
    .select_from(_led)
    .join(
        memberships,
        and_(memberships.c.project_id == _led.c.project_id, memberships.c.state == "asked", _NOW),
    )
    .join(actors, actors.c.id == memberships.c.project_id)
    .where(
        _led.c.actor_id == sql.number("of_actor"),
        _led.c.state == "member",
        _led.c.role == "lead",
        _led.c.ended_at.is_(None),
        actors.c.peer_id.is_(None),
    )
    .limit(MOST_WAITING)
)
_INVITED = (
    select(memberships.c.id)
    .join(actors, actors.c.id == memberships.c.project_id)
    .where(_ACTOR, memberships.c.state == "invited", _NOW, audience.welcome(actors))
    .limit(MOST_WAITING)
)
_WAITING = select(func.count()).select_from(
    union_all(
        select(_ASKS.subquery("found_asking").c.id),
        select(_INVITED.subquery("found_inviting").c.id),
    ).subquery("found")
)


def of_actor(tx: Transaction, actor_id: int) -> list[Membership]:
    """Wherever somebody asks, is asked or is a member, the oldest first."""
    return [Membership(*row) for row in tx.execute(_OF_ACTOR, {"of_actor": actor_id})]


def waiting(tx: Transaction, actor_id: int) -> int:
    """How many answers are awaited from somebody: to invitations, and as a lead of projects of
    ours to those who ask; 99 stands for more."""
    found = tx.execute(_WAITING, {"of_actor": actor_id}).scalar_one()
    return min(found, MOST_WAITING)
