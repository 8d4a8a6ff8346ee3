"""Posts that ask something: the choices, the figures, and who of us chose what.

A poll of ours counts each vote as it comes. Of others' polls the figures are those that their
server last gave, and the votes kept are those of our own people. Who chose what is told to nobody
but the voter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Integer, bindparam, case, delete, func, or_, select, update

from storage import sql
from storage.tables import Moment, actors, objects, poll_options, polls, votes
from storage.transaction import Transaction

# Whoever got a poll of ours is told of new figures this long after a vote: many votes, one word.
TELL_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Option:
    """One of the choices; `position` counts from 0."""

    position: int
    name: str
    votes: int


@dataclass(frozen=True, slots=True)
class Poll:
    """What is asked, the figures, and what the reader chose (`chosen`, positions)."""

    object_id: int
    several: bool  # more than one choice may be taken
    ends_at: datetime | None
    ended_at: datetime | None
    voters: int
    options: tuple[Option, ...]
    chosen: frozenset[int]

    def over(self, now: datetime) -> bool:
        """Whether nobody may vote any more."""
        return self.ended_at is not None or (self.ends_at is not None and self.ends_at <= now)


@dataclass(frozen=True, slots=True)
class Due:
    """A poll whose figures are to go out, or that has ended."""

    object_id: int
    over: bool


_OBJECT = sql.number("of_object")
_ACTOR = sql.number("of_actor")
_THESE = sql.one_of("of_objects")
_NOW = bindparam("the_moment", type_=Moment())


# --- writing -----------------------------------------------------------------------------------


def keep(
    tx: Transaction,
    object_id: int,
    *,
    several: bool,
    ends_at: datetime | None,
    voters: int,
    options: Sequence[tuple[str, int]],
    ended_at: datetime | None = None,
) -> None:
    """Keep a poll, or the newer figures of one: `options` are (name, votes) in their order.

    Where the choices themselves changed, nobody has chosen any more.
    """
    known = tx.execute(_LOCKED, {"of_object": object_id}).first()
    if known is None:
        ours = tx.execute(_IS_OURS, {"of_object": object_id}).first() is not None
        _add(tx, object_id, several, ends_at, voters, ended_at, ends_at if ours else None)
    else:
        names = [name for _, name, _ in tx.execute(_OPTIONS_OF, {"of_object": object_id})]
        if names != [name for name, _ in options]:
            for statement in (_FORGET_VOTES, _FORGET_OPTIONS):
                tx.execute(statement, {"of_object": object_id})
        waiting = _somebody_chose(tx, object_id)
        tx.execute(
            _CHANGE,
            {
                "of_object": object_id,
                "new_several": several,
                "new_ends": ends_at,
                "new_ended": ended_at,
                "new_voters": voters,
                "new_due": (tx.now if ended_at else ends_at) if waiting else None,
            },
        )
    tx.execute(
        _keep_options(sql.on_postgresql(tx)),
        [
            {"object_id": object_id, "position": position, "name": name, "votes": count}
            for position, (name, count) in enumerate(options)
        ],
    )


def _add(
    tx: Transaction,
    object_id: int,
    several: bool,
    ends_at: datetime | None,
    voters: int,
    ended_at: datetime | None,
    due_at: datetime | None,
) -> None:
    row = {"object_id": object_id, "several": several, "ends_at": ends_at, "voters": voters}
    sql.is_new(tx, polls, row | {"ended_at": ended_at, "due_at": due_at})


def vote(tx: Transaction, object_id: int, actor_id: int, position: int, uri: str | None) -> bool:
    """Somebody takes a choice. False, and nothing changes, if they may not: they took it already,
    or another where there is only one to take; the poll is over; there is no such choice.

    Whoever may see the poll may vote; that is checked before.
    """
    # Lock first, then look: else two votes of one person at the same moment both find none.
    poll = tx.execute(_LOCKED, {"of_object": object_id}).first()
    if poll is None or poll.ended_at is not None or (poll.ends_at and poll.ends_at <= tx.now):
        return False
    chosen = chosen_by(tx, object_id, actor_id)
    if position in chosen or (chosen and not poll.several):
        return False
    here = {"of_object": object_id, "of_position": position}
    if tx.execute(_COUNT_ONE, here).rowcount == 0:
        return False
    row = {"object_id": object_id, "actor_id": actor_id, "position": position}
    tx.execute(votes.insert(), row | {"uri": uri, "created_at": tx.now})
    ours = tx.execute(_IS_OURS, {"of_object": object_id}).first() is not None
    due = tx.now + TELL_AFTER if ours else poll.ends_at
    tx.execute(
        _NOTE_VOTER,
        {"of_object": object_id, "more_voters": 0 if chosen else 1, "new_due": due},
    )
    return True


def told(tx: Transaction, object_ids: Iterable[int]) -> None:
    """The figures of these polls went out now; next is their end."""
    tx.execute(_TOLD, {"of_objects": list(object_ids), "the_moment": tx.now})


def close(tx: Transaction, object_ids: Iterable[int]) -> None:
    """These polls are over, and everyone whom it concerns was told."""
    tx.execute(_CLOSE, {"of_objects": list(object_ids), "the_moment": tx.now})


_LOCKED = sql.holding(
    select(polls.c.several, polls.c.ends_at, polls.c.ended_at).where(polls.c.object_id == _OBJECT)
)
_IS_OURS = (
    select(objects.c.id)
    .join(actors, actors.c.id == objects.c.author_id)
    .where(objects.c.id == _OBJECT, actors.c.peer_id.is_(None))
)
_OPTIONS_OF = (
    select(poll_options.c.position, poll_options.c.name, poll_options.c.votes)
    .where(poll_options.c.object_id == _OBJECT)
    .order_by(poll_options.c.position)
)
_FORGET_OPTIONS = delete(poll_options).where(poll_options.c.object_id == _OBJECT)
_FORGET_VOTES = delete(votes).where(votes.c.object_id == _OBJECT)
_NEW_DUE = bindparam("new_due", type_=Moment())
_CHANGE = (
    update(polls)
    .where(polls.c.object_id == _OBJECT)
    .values(
        several=bindparam("new_several"),
        ends_at=bindparam("new_ends", type_=Moment()),
        ended_at=func.coalesce(polls.c.ended_at, bindparam("new_ended", type_=Moment())),
        voters=bindparam("new_voters", type_=Integer),
        # Once it has ended, those who voted are still to be told, or have been.
        due_at=case((polls.c.ended_at.is_not(None), polls.c.due_at), else_=_NEW_DUE),
    )
)
_COUNT_ONE = (
    update(poll_options)
    .where(
        poll_options.c.object_id == _OBJECT,
        poll_options.c.position == bindparam("of_position", type_=Integer),
    )
    .values(votes=poll_options.c.votes + 1)
    .execution_options(preserve_rowcount=True)
)
_NOTE_VOTER = (
    update(polls)
    .where(polls.c.object_id == _OBJECT)
    .values(
        voters=polls.c.voters + bindparam("more_voters", type_=Integer),
        due_at=case((polls.c.due_at < _NEW_DUE, polls.c.due_at), else_=_NEW_DUE),
    )
)
_TOLD = (
    update(polls)
    .where(polls.c.object_id.in_(_THESE))
    .values(due_at=case((polls.c.ends_at > _NOW, polls.c.ends_at)))
)
_CLOSE = (
    update(polls)
    .where(polls.c.object_id.in_(_THESE))
    .values(due_at=None, ended_at=func.coalesce(polls.c.ended_at, _NOW))
)


@cache
def _keep_options(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, poll_options)
    return statement.on_conflict_do_update(
        index_elements=[poll_options.c.object_id, poll_options.c.position],
        set_={"votes": statement.excluded.votes},
    )


# --- asking ------------------------------------------------------------------------------------


def of_posts(tx: Transaction, reader_id: int | None, object_ids: Iterable[int]) -> dict[int, Poll]:
    """The polls among these posts, by post, with what the reader chose.

    The posts are some that the reader may see: that is not asked again.
    """
    these = {"of_objects": list(object_ids)}
    if not these["of_objects"]:
        return {}
    rows = tx.execute(_OF_POSTS, these).all()
    if not rows:
        return {}
    options: dict[int, list[Option]] = {}
    for object_id, *option in tx.execute(_OPTIONS, these):
        options.setdefault(object_id, []).append(Option(*option))
    chosen: dict[int, set[int]] = {}
    if reader_id is not None:
        for object_id, position in tx.execute(_CHOSEN, these | {"of_actor": reader_id}):
            chosen.setdefault(object_id, set()).add(position)
    return {
        row.object_id: Poll(
            *row,
            options=tuple(options.get(row.object_id, ())),
            chosen=frozenset(chosen.get(row.object_id, ())),
        )
        for row in rows
    }


def of_post(tx: Transaction, reader_id: int | None, object_id: int) -> Poll | None:
    """The poll of one post, if it has one."""
    return of_posts(tx, reader_id, [object_id]).get(object_id)


def chosen_by(tx: Transaction, object_id: int, actor_id: int) -> frozenset[int]:
    """The positions of what somebody chose: for counting, and for themselves."""
    rows = tx.execute(_CHOSEN, {"of_objects": [object_id], "of_actor": actor_id})
    return frozenset(position for _, position in rows)


def local_voters(tx: Transaction, object_id: int) -> list[int]:
    """Those of our people who voted: they are told when it ends. Never to be shown."""
    return list(tx.execute(_LOCAL_VOTERS, {"of_object": object_id}).scalars())


def any_due(tx: Transaction) -> bool:
    """Whether `due` would find anything: costs next to nothing while there is nothing."""
    return tx.execute(_ANY_DUE, {"the_moment": tx.now}).first() is not None


def due(tx: Transaction, limit: int) -> list[Due]:
    """Polls that have figures to tell or an end, held until COMMIT, each by one process only."""
    rows = tx.execute(_DUE, {"the_moment": tx.now, "at_most": limit})
    return [Due(object_id, over) for object_id, over in rows]


def _somebody_chose(tx: Transaction, object_id: int) -> bool:
    return tx.execute(_ANY_VOTE, {"of_object": object_id}).first() is not None


_OF_POSTS = select(
    polls.c.object_id, polls.c.several, polls.c.ends_at, polls.c.ended_at, polls.c.voters
).where(polls.c.object_id.in_(_THESE))
_OPTIONS = (
    select(
        poll_options.c.object_id, poll_options.c.position, poll_options.c.name, poll_options.c.votes
    )
    .where(poll_options.c.object_id.in_(_THESE))
    .order_by(poll_options.c.object_id, poll_options.c.position)
)
_CHOSEN = select(votes.c.object_id, votes.c.position).where(
    votes.c.object_id.in_(_THESE), votes.c.actor_id == _ACTOR
)
_ANY_VOTE = select(votes.c.object_id).where(votes.c.object_id == _OBJECT).limit(1)
_LOCAL_VOTERS = (
    select(votes.c.actor_id)
    .join(actors, actors.c.id == votes.c.actor_id)
    .where(votes.c.object_id == _OBJECT, actors.c.peer_id.is_(None), actors.c.state == "active")
    .distinct()
    .order_by(votes.c.actor_id)
)
_IS_DUE = polls.c.due_at <= _NOW
_ANY_DUE = select(polls.c.object_id).where(_IS_DUE).limit(1)
_OVER = or_(polls.c.ended_at.is_not(None), polls.c.ends_at <= _NOW)
_DUE = (
    select(polls.c.object_id, func.coalesce(_OVER, False))
    .where(_IS_DUE)
    .order_by(polls.c.due_at)
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)
