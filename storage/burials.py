"""Who is gone is cleared away: their posts become tombstones, what else they did goes with them.

Nobody sees anything of them from the first moment (`storage/audience.py`), so there is no hurry:
a few rows in each transaction, and somebody who wrote a hundred thousand posts keeps nobody
waiting. Of one of ours the keys stay until the last server was told; then they are destroyed, and
what they sent is emptied. (SECURITY R43)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Integer,
    Table,
    Update,
    bindparam,
    case,
    delete,
    literal,
    select,
    tuple_,
    update,
)

from storage import audience, keys, published, sql, tables
from storage.tables import actors, burials, objects
from storage.transaction import Transaction

# What goes at once: most people did no more than that here.
FIRST = 500
# Posts that are looked at together.
TOGETHER = 50
# Burials that one step looks at.
AT_ONCE = 100

ACTOR = sql.number("of_actor")
THESE = sql.one_of("these")
MOST = bindparam("most", type_=Integer)
MOMENT = bindparam("moment", type_=tables.Moment())


@dataclass(frozen=True, slots=True)
class Burial:
    actor_id: int
    stage: str
    reached: int
    local: bool


def _some(table: Table, *which: ColumnElement[bool]) -> Delete:
    """Delete at most `most` rows."""
    chosen = select(*table.primary_key).where(*which).limit(MOST)
    return delete(table).where(tuple_(*table.primary_key).in_(chosen))


# What others did with a post, and whom it named.
_OF_POSTS = tuple(
    _some(table, table.c.object_id.in_(THESE))
    for table in (
        tables.likes,
        tables.announces,
        tables.timelines,
        tables.notifications,
        tables.featured,
        tables.hashtags,
        tables.votes,
        tables.polls,
        tables.fetched,
        tables.recipients,
    )
)
# Who was in which project stays known, as do the others who were in one that is gone.
_LEAVE = tuple(
    update(tables.memberships)
    .where(
        tables.memberships.c.id.in_(
            select(tables.memberships.c.id)
            .where(tables.memberships.c[column] == ACTOR, tables.memberships.c.ended_at.is_(None))
            .limit(MOST)
        )
    )
    .values(ended_at=MOMENT)
    for column in ("actor_id", "project_id")
)
# What somebody did, and what was for them alone.
_REST = tuple(
    _some(table, table.c[column] == ACTOR)
    for table, column in (
        (tables.timelines, "announced_by"),
        (tables.announces, "actor_id"),
        (tables.likes, "actor_id"),
        (tables.fetched, "actor_id"),
        (tables.featured, "actor_id"),
        (tables.votes, "actor_id"),
        (tables.follows, "follower_id"),
        (tables.follows, "followee_id"),
        (tables.blocks, "actor_id"),
        (tables.blocks, "target_id"),
        (tables.notifications, "actor_id"),
        (tables.notifications, "owner_id"),
        (tables.timelines, "reader_id"),
        (tables.arrivals, "owner_id"),
        (tables.moves, "actor_id"),
        (tables.sessions, "actor_id"),
        (tables.tokens, "actor_id"),
        (tables.accounts, "actor_id"),
    )
)
_MOVED = _some(
    tables.moved_things,
    tables.moved_things.c.move_id.in_(
        select(tables.moves.c.id).where(tables.moves.c.actor_id == ACTOR)
    ),
)
_POSTS = (
    select(objects.c.id)
    .where(
        objects.c.author_id == ACTOR,
        objects.c.id > sql.number("after"),
        objects.c.deleted_at.is_(None),
    )
    .order_by(objects.c.id)
    .limit(MOST)
)
_OPEN = (
    select(burials.c.actor_id, burials.c.stage, burials.c.reached, actors.c.peer_id.is_(None))
    .join(actors, actors.c.id == burials.c.actor_id)
    # Whose last words still wait comes last.
    .order_by(case((burials.c.stage == "sent", 1), else_=0), burials.c.actor_id)
    .limit(MOST)
    .with_for_update(skip_locked=True, key_share=True, of=burials)
)


def begin(tx: Transaction, actor_id: int) -> None:
    """Somebody is gone: clear away their first rows, and note who is to be gone on with."""
    sql.is_new(
        tx,
        burials,
        {"actor_id": actor_id, "stage": "posts", "reached": 0, "created_at": tx.now},
    )
    row = tx.execute(_OPEN.where(burials.c.actor_id == ACTOR), {"of_actor": actor_id, "most": 1})
    _go_on(tx, Burial(*row.one()), FIRST)
    tx.wake("upkeep")


def step(tx: Transaction, limit: int) -> int:
    """Clear away about `limit` rows of those who are gone; how many those were.

    0 when there is nothing to do now; of our own people something may still wait to be delivered.
    """
    done = 0
    for row in tx.execute(_OPEN, {"most": AT_ONCE}).all():
        if done >= limit:
            break
        done += _go_on(tx, Burial(*row), limit - done)
    return done


def _go_on(tx: Transaction, burial: Burial, limit: int) -> int:
    """As far as `limit` allows; how many rows were cleared away."""
    done = 0
    ahead: Burial | None = burial
    while ahead is not None and done < limit:
        cleared, ahead = _STAGES[ahead.stage](tx, ahead, limit - done)
        done += cleared
    return done


_STONE = (
    select(objects.c.type, objects.c.deleted_at, actors.c.updated_at)
    .join(actors, actors.c.id == objects.c.author_id)
    .where(
        objects.c.uri == sql.words("of_uri"),
        objects.c.audience.in_(audience.OPEN),
        actors.c.peer_id.is_(None),
        actors.c.state == "deleted",
    )
)


def stone(tx: Transaction, uri: str) -> tuple[str, datetime] | None:
    """What a post was and since when it is gone: one that everybody could read, of one of ours
    who left, whether or not it is cleared away yet."""
    row = tx.execute(_STONE, {"of_uri": uri}).first()
    return None if row is None else (row.type, row.deleted_at or row.updated_at)


# --- the stages: how many rows were cleared away, and what is ahead, None if nothing is now ------


def _posts(tx: Transaction, burial: Burial, limit: int) -> tuple[int, Burial | None]:
    asked = {"of_actor": burial.actor_id, "after": burial.reached, "most": TOGETHER}
    posts = list(tx.execute(_POSTS, asked).scalars())
    if not posts:
        return 0, _noted(tx, replace(burial, stage="rest", reached=0))
    cleared = _clear(tx, _OF_POSTS, limit, these=posts)
    if cleared == limit:
        return cleared, burial
    _leave_tombstones(tx, posts)
    return cleared + len(posts), _noted(tx, replace(burial, reached=posts[-1]))


def _leave_tombstones(tx: Transaction, posts: list[int]) -> None:
    tombstone = sql.json_object(
        tx,
        _context="https://www.w3.org/ns/activitystreams",
        type="Tombstone",
        id=objects.c.uri,
        formerType=objects.c.type,
        deleted=sql.rfc3339(tx.now),
    )
    tx.execute(
        update(objects)
        .where(objects.c.id.in_(posts))
        .values(
            deleted_at=literal(tx.now, objects.c.deleted_at.type),
            name=None,
            summary=None,
            content="",
            quotes=None,
            document=tombstone,
        )
    )


def _rest(tx: Transaction, burial: Burial, limit: int) -> tuple[int, Burial | None]:
    cleared = _clear(tx, _LEAVE, limit, of_actor=burial.actor_id, moment=tx.now)
    cleared += _clear(tx, (_MOVED, *_REST), limit - cleared, of_actor=burial.actor_id)
    if cleared == limit:
        return cleared, burial
    if not burial.local:
        _over(tx, burial)
        return cleared, None
    return cleared, _noted(tx, replace(burial, stage="sent", reached=0))


def _sent(tx: Transaction, burial: Burial, limit: int) -> tuple[int, Burial | None]:
    if burial.reached == 0:
        if published.awaits(tx, burial.actor_id):
            return 0, None
        keys.destroy(tx, burial.actor_id)
    emptied = published.empty(tx, burial.actor_id, after=burial.reached, limit=limit)
    if not emptied:
        _over(tx, burial)
        return 0, None
    return len(emptied), _noted(tx, replace(burial, reached=emptied[-1]))


_STAGES = {"posts": _posts, "rest": _rest, "sent": _sent}


def _clear(tx: Transaction, statements: Iterable[Delete | Update], limit: int, **which: Any) -> int:
    """Run them until `limit` rows are cleared away; how many those were."""
    left = limit
    for statement in statements:
        if left > 0:
            left -= tx.execute(statement, {**which, "most": left}).rowcount
    return limit - left


def _noted(tx: Transaction, burial: Burial) -> Burial:
    tx.execute(
        update(burials)
        .where(burials.c.actor_id == burial.actor_id)
        .values(stage=burial.stage, reached=burial.reached)
    )
    return burial


def _over(tx: Transaction, burial: Burial) -> None:
    tx.execute(delete(burials).where(burials.c.actor_id == burial.actor_id))
