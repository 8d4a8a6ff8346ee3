"""How far the word has come that one of ours went to another school.

Whoever follows them and each project that they are in was sent a Move. What became of its delivery
is what became of that one thing, until they act on it: brought, it is theirs to do; not taken, it
never will be; on its way, the server cannot be reached. All of them at once, however many.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update

from storage import sql
from storage.moved_things import FINAL
from storage.tables import Moment, actors, blocks, deliveries, moved_things, peers, published
from storage.transaction import Transaction

# Of these kinds each was told by the Move itself.
TOLD = ("follower", "project")

_OF_ACTOR = published.c.actor_id == sql.number("of_actor")
_LATEST = (
    select(published.c.uri)
    .where(_OF_ACTOR, published.c.type == "Move", ~published.c.forwarded)
    .order_by(published.c.id.desc())
    .limit(1)
)
_BLOCKERS = (
    select(blocks.c.actor_id)
    .join(actors, actors.c.id == blocks.c.actor_id)
    .where(blocks.c.target_id == sql.number("of_actor"), actors.c.peer_id.is_not(None))
)


def latest(tx: Transaction, actor_id: int) -> str | None:
    """The id of the last Move that one of ours sent."""
    return tx.execute(_LATEST, {"of_actor": actor_id}).scalar_one_or_none()


def blockers(tx: Transaction, actor_id: int) -> tuple[int, ...]:
    """The people of other schools who block this actor, as far as their servers told us."""
    return tuple(tx.execute(_BLOCKERS, {"of_actor": actor_id}).scalars())


def look(tx: Transaction, move_id: int, actor_id: int) -> None:
    """Note of each follower and project what became of the Move that was sent to its server."""
    values = {"of_move": move_id, "of_actor": actor_id, "moment": tx.now}
    for statement in _LOOK:
        tx.execute(statement, values)


def give_up(tx: Transaction, move_id: int, kind: str, reason: str) -> int:
    """Whatever is left of one kind does not come along, for this reason; how many those are."""
    given_up = tx.execute(
        _GIVE_UP,
        {"of_move": move_id, "of_kind": kind, "the_reason": reason, "moment": tx.now},
    )
    return given_up.rowcount


def _of_the_delivery(column: ColumnElement[Any], *which: ColumnElement[bool]) -> Any:
    """Of the Move's way to the server of `moved_things.uri`: a SELECT that belongs to that row."""
    sent = published.alias("sent")
    move = (
        select(func.max(sent.c.id))
        .where(sent.c.actor_id == sql.number("of_actor"), sent.c.type == "Move")
        .scalar_subquery()
    )
    return (
        select(column)
        .select_from(actors)
        .join(deliveries, deliveries.c.activity_id == move)
        .join(peers, peers.c.id == deliveries.c.peer_id)
        .where(
            actors.c.uri == moved_things.c.uri,
            deliveries.c.inbox.in_((actors.c.shared_inbox, actors.c.inbox)),
            *which,
        )
        .correlate(moved_things)
    )


def _becomes(
    outcome: str,
    before: tuple[str, ...],
    reason: ColumnElement[Any] | None,
    *which: ColumnElement[bool],
) -> Any:
    """Those that were one of `before`, and whose delivery is as `which` says, are `outcome`."""
    why = None if reason is None else _of_the_delivery(reason, *which).limit(1).scalar_subquery()
    return (
        update(moved_things)
        .where(
            moved_things.c.move_id == sql.number("of_move"),
            moved_things.c.kind.in_(TOLD),
            moved_things.c.outcome.in_(before),
            _of_the_delivery(deliveries.c.id, *which).exists(),
        )
        .values(
            outcome=outcome,
            reason=why,
            changed_at=bindparam("moment", type_=Moment()),
        )
    )


_AWAY = and_(
    deliveries.c.state == "waiting", or_(peers.c.failures > 0, peers.c.paused.is_not(None))
)
_LOOK = (
    _becomes("asked", ("waiting", "unreachable"), None, deliveries.c.state == "done"),
    _becomes(
        "refused",
        ("waiting", "unreachable"),
        deliveries.c.reason,
        deliveries.c.state.in_(("over", "aside")),
    ),
    _becomes("unreachable", ("waiting",), func.coalesce(peers.c.paused, peers.c.last_error), _AWAY),
)
_GIVE_UP = (
    update(moved_things)
    .where(
        moved_things.c.move_id == sql.number("of_move"),
        moved_things.c.kind == sql.words("of_kind"),
        moved_things.c.outcome.not_in(FINAL),
    )
    .values(
        outcome="refused",
        reason=sql.words("the_reason"),
        due_at=None,
        changed_at=bindparam("moment", type_=Moment()),
    )
)
