"""What goes along with who moves school, thing by thing, each with its outcome.

Of one of ours who leaves: who follows them, whom they follow, the projects they are in. Of one who
came: whom they followed at the old school, and whom they blocked there. What has moved or was
refused stays so, however often the same is said again; so a step that was broken off is simply
taken again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    update,
)

from storage import audience, sql
from storage.moves import Direction
from storage.tables import Moment, actors, follows, memberships, moved_things, moves
from storage.transaction import Transaction

Kind = Literal["follower", "following", "project", "block"]
Outcome = Literal["waiting", "asked", "moved", "refused", "unreachable"]

OUTCOMES: tuple[Outcome, ...] = ("waiting", "asked", "moved", "refused", "unreachable")
# What these say is not taken back.
FINAL: tuple[Outcome, ...] = ("moved", "refused")


@dataclass(frozen=True, slots=True)
class Thing:
    kind: Kind
    uri: str  # of the actor who follows, is followed, is blocked; of the project
    outcome: Outcome
    reason: str | None
    tries: int
    due_at: datetime | None  # the next try; None when there is none
    changed_at: datetime


_THING_COLUMNS = sql.columns(moved_things, Thing)
_MOMENT = bindparam("moment", type_=Moment())
_NEXT = bindparam("next_at", type_=Moment())
_MOST = bindparam("most", type_=Integer)


# --- what is to go along -------------------------------------------------------------------------


def expect(
    tx: Transaction,
    move_id: int,
    kind: Kind,
    uris: Iterable[str],
    *,
    outcome: Outcome = "waiting",
    due_at: datetime | None = None,
) -> int:
    """These go along too; how many of them are new. What is known already stays as it is."""
    if due_at is not None:
        tx.wake("moves")
    rows = [
        {
            "move_id": move_id,
            "kind": kind,
            "uri": uri,
            "outcome": outcome,
            "due_at": due_at,
            "changed_at": tx.now,
        }
        for uri in sorted(set(uris))
    ]
    if not rows:
        return 0
    statement = sql.insert_ignore(tx, moved_things).returning(moved_things.c.uri)
    return len(tx.execute(statement, rows).all())


def expect_followers(tx: Transaction, move_id: int, actor_id: int) -> int:
    """Whoever follows this actor goes along; how many are new."""
    whose = (follows.c.followee_id == actor_id, follows.c.state == "accepted")
    return _expect_all(tx, move_id, "follower", follows.c.follower_id, whose)


def expect_following(tx: Transaction, move_id: int, actor_id: int) -> int:
    """Whomever this actor follows goes along; how many are new."""
    whose = (follows.c.follower_id == actor_id, follows.c.state == "accepted")
    return _expect_all(tx, move_id, "following", follows.c.followee_id, whose)


def expect_projects(tx: Transaction, move_id: int, actor_id: int) -> int:
    """The projects that this actor is a member of go along; how many are new."""
    whose = (
        memberships.c.actor_id == actor_id,
        memberships.c.state == "member",
        memberships.c.ended_at.is_(None),
    )
    return _expect_all(tx, move_id, "project", memberships.c.project_id, whose)


def _expect_all(
    tx: Transaction,
    move_id: int,
    kind: Kind,
    met: Column[Any],
    whose: Sequence[ColumnElement[bool]],
) -> int:
    """One statement, however many there are. Who is suspended, gone or of a blocked server stays
    behind: nobody sees that they were there."""
    # PostgreSQL must be told of what kind the constants are.
    found = (
        select(
            literal(move_id, moved_things.c.move_id.type),
            cast(literal(kind), Text),
            actors.c.uri,
            cast(literal("waiting"), Text),
            literal(tx.now, Moment()),
        )
        .select_from(met.table)
        .join(actors, actors.c.id == met)
        .where(*whose, audience.welcome(actors))
    )
    names = ["move_id", "kind", "uri", "outcome", "changed_at"]
    statement = sql.insert_ignore(tx, moved_things).from_select(names, found)
    return tx.execute(statement.execution_options(preserve_rowcount=True)).rowcount


# --- what becomes of it --------------------------------------------------------------------------


_OF_MOVE = moved_things.c.move_id == sql.number("of_move")
_THING = and_(
    moved_things.c.kind == sql.words("of_kind"), moved_things.c.uri == sql.words("of_uri")
)
_UNDECIDED = moved_things.c.outcome.not_in(FINAL)
_NEW_OUTCOME, _NEW_REASON = sql.words("new_outcome"), sql.words("new_reason")
_BECOMES = (
    update(moved_things)
    .where(_THING, _UNDECIDED)
    .values(outcome=_NEW_OUTCOME, reason=_NEW_REASON, changed_at=_MOMENT)
)
_SETTLE = _BECOMES.where(
    _OF_MOVE,
    or_(
        moved_things.c.outcome != _NEW_OUTCOME,
        moved_things.c.reason.is_distinct_from(_NEW_REASON),
    ),
).values(due_at=None)
_SETTLE_FOR = _BECOMES.where(
    moved_things.c.move_id.in_(
        select(moves.c.id).where(
            moves.c.actor_id == sql.number("of_actor"),
            moves.c.direction == sql.words("of_direction"),
        )
    )
).values(due_at=None)
_AGAIN = _BECOMES.where(_OF_MOVE).values(due_at=_NEXT, tries=moved_things.c.tries + 1)


def settle(
    tx: Transaction,
    move_id: int,
    kind: Kind,
    uri: str,
    outcome: Outcome,
    reason: str | None = None,
) -> bool:
    """What became of one of them. False, and nothing changes, where that is known already, or
    moved or refused before."""
    asked = _becomes(tx, kind, uri, outcome, reason) | {"of_move": move_id}
    return tx.execute(_SETTLE, asked).rowcount > 0


def settle_for(
    tx: Transaction,
    actor_id: int,
    direction: Direction,
    kind: Kind,
    uri: str,
    outcome: Outcome,
    reason: str | None = None,
) -> bool:
    """The same in every move of one of ours that way, for who does not know of moves: an answer
    came. False if nothing awaited it."""
    asked = _becomes(tx, kind, uri, outcome, reason)
    asked |= {"of_actor": actor_id, "of_direction": direction}
    return tx.execute(_SETTLE_FOR, asked).rowcount > 0


def again(
    tx: Transaction,
    move_id: int,
    kind: Kind,
    uri: str,
    due_at: datetime | None,
    outcome: Outcome,
    reason: str | None = None,
) -> bool:
    """It was tried, and is tried again then. False if it was decided meanwhile."""
    tx.wake("moves")
    asked = _becomes(tx, kind, uri, outcome, reason) | {"of_move": move_id, "next_at": due_at}
    return tx.execute(_AGAIN, asked).rowcount > 0


def _becomes(
    tx: Transaction, kind: Kind, uri: str, outcome: Outcome, reason: str | None
) -> dict[str, Any]:
    return {
        "of_kind": kind,
        "of_uri": uri,
        "new_outcome": outcome,
        "new_reason": reason,
        "moment": tx.now,
    }


_AT = and_(moved_things.c.uri >= sql.words("from_uri"), moved_things.c.uri < sql.words("to_uri"))
_FRUITLESS = select(
    func.coalesce(func.sum(case((moved_things.c.outcome == "refused", 1), else_=0)), 0)
    - func.coalesce(func.sum(case((moved_things.c.outcome.in_(("asked", "moved")), 1), else_=0)), 0)
).where(_OF_MOVE, moved_things.c.kind == sql.words("of_kind"), _AT)
_HOLD_BACK = (
    update(moved_things)
    .where(
        _OF_MOVE,
        moved_things.c.kind == sql.words("of_kind"),
        _AT,
        moved_things.c.due_at < _NEXT,
    )
    .values(due_at=_NEXT)
)


def fruitless(tx: Transaction, move_id: int, kind: Kind, origin: str) -> int:
    """How many more of the people at `origin` (https://HOST) were not to be had than were."""
    asked = {"of_move": move_id, "of_kind": kind, **_all_at(origin)}
    return int(tx.execute(_FRUITLESS, asked).scalar_one())


def hold_back(tx: Transaction, move_id: int, kind: Kind, origin: str, until: datetime) -> None:
    """None of those at `origin` is tried before that."""
    asked = {"of_move": move_id, "of_kind": kind, "next_at": until, **_all_at(origin)}
    tx.execute(_HOLD_BACK, asked)


def _all_at(origin: str) -> dict[str, str]:
    return {"from_uri": f"{origin}/", "to_uri": f"{origin}0"}  # 0 comes after /


# --- how far it has come -------------------------------------------------------------------------


_DUE_THINGS = (
    select(*_THING_COLUMNS)
    .where(_OF_MOVE, moved_things.c.due_at <= _MOMENT)
    .order_by(moved_things.c.due_at, moved_things.c.kind, moved_things.c.uri)
    .limit(_MOST)
)
_NEXT_DUE = select(func.min(moved_things.c.due_at)).where(
    _OF_MOVE, moved_things.c.due_at.is_not(None)
)
_OPEN_AMONG = (
    select(moved_things.c.uri)
    .where(
        _OF_MOVE,
        moved_things.c.kind == sql.words("of_kind"),
        moved_things.c.uri.in_(sql.one_of("these")),
        _UNDECIDED,
    )
    .order_by(moved_things.c.uri)
)
_TOTALS = (
    select(moved_things.c.kind, moved_things.c.outcome, func.count())
    .where(_OF_MOVE)
    .group_by(moved_things.c.kind, moved_things.c.outcome)
)
_THINGS = (
    select(*_THING_COLUMNS)
    .where(_OF_MOVE, moved_things.c.outcome.in_(sql.one_of("outcomes")))
    .order_by(moved_things.c.kind, moved_things.c.uri)
    .limit(_MOST)
)
_OF_KIND = moved_things.c.kind == sql.words("of_kind")
_AFTER = or_(
    moved_things.c.kind > sql.words("after_kind"),
    and_(
        moved_things.c.kind == sql.words("after_kind"), moved_things.c.uri > sql.words("after_uri")
    ),
)


def due_things(tx: Transaction, move_id: int, limit: int) -> list[Thing]:
    """What is to be tried now, the longest waiting first."""
    asked = {"of_move": move_id, "moment": tx.now, "most": limit}
    return [Thing(*row) for row in tx.execute(_DUE_THINGS, asked)]


def next_due(tx: Transaction, move_id: int) -> datetime | None:
    """When the next of them is to be tried; None when there is none."""
    return tx.execute(_NEXT_DUE, {"of_move": move_id}).scalar()


def open_among(tx: Transaction, move_id: int, kind: Kind, uris: Iterable[str]) -> list[str]:
    """Those of `uris` that are to go along and are not settled yet. One look, however many a
    server lists that have nothing to do with it."""
    asked = {"of_move": move_id, "of_kind": kind, "these": sorted(set(uris))}
    return list(tx.execute(_OPEN_AMONG, asked).scalars()) if asked["these"] else []


def totals(tx: Transaction, move_id: int) -> dict[str, dict[str, int]]:
    """How many there are, by kind and outcome."""
    found: dict[str, dict[str, int]] = {}
    for kind, outcome, number in tx.execute(_TOTALS, {"of_move": move_id}):
        found.setdefault(kind, {})[outcome] = number
    return found


def things(
    tx: Transaction,
    move_id: int,
    *,
    kind: Kind | None = None,
    outcomes: Collection[Outcome] = OUTCOMES,
    after: Thing | None = None,
    limit: int,
) -> list[Thing]:
    """One page of them by kind and id, those that come after `after`."""
    statement, asked = _THINGS, {"of_move": move_id, "outcomes": sorted(outcomes), "most": limit}
    if kind is not None:
        statement, asked = statement.where(_OF_KIND), asked | {"of_kind": kind}
    if after is not None:
        asked |= {"after_kind": after.kind, "after_uri": after.uri}
        statement = statement.where(_AFTER)
    return [Thing(*row) for row in tx.execute(statement, asked)]
