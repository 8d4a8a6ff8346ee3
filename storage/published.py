"""Activities as we send them, and those of others that we pass on unchanged."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, func, or_, select, update

from storage import audience as audiences
from storage import sql
from storage.audience import Viewer
from storage.tables import actors, deliveries, objects, published
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Published:
    id: int
    uri: str
    actor_id: int
    type: str
    object_uri: str | None
    audience: str
    document: bytes  # as sent, proof included
    forwarded: bool
    published_at: datetime
    project_id: int | None  # the actor of the project whose members it is for


@dataclass(frozen=True, slots=True)
class Shown(Published):
    """`post_now`: what the post inside says now, where it was edited since it was written."""

    post_now: str | None  # JSON text


_COLUMNS = sql.columns(published, Published)


def add(
    tx: Transaction,
    *,
    id: int,  # noqa: A002  the column's word
    uri: str,
    actor_id: int,
    type: str,  # noqa: A002  the standard's word
    object_uri: str | None,
    audience: str,
    document: bytes,
    forwarded: bool = False,
    project_id: int | None = None,
) -> bool:
    """Keep an activity that goes out; false if this id went out already."""
    row = Published(
        id=id,
        uri=uri,
        actor_id=actor_id,
        type=type,
        object_uri=object_uri,
        audience=audience,
        document=document,
        forwarded=forwarded,
        published_at=tx.now,
        project_id=project_id,
    )
    return tx.execute(_insert(sql.on_postgresql(tx)), sql.row_of(row)).first() is not None


@cache
def _insert(for_postgresql: bool) -> Any:
    """Insert an activity. Only its uri may be there already; an id given twice is an error."""
    statement = sql.insert_for(for_postgresql, published)
    return statement.on_conflict_do_nothing(index_elements=[published.c.uri]).returning(
        published.c.id
    )


_OWNER = actors.alias("owner")
# The activity was delivered to the personal inbox of the viewer.
_BROUGHT = sql.any_row(
    [deliveries, _OWNER],
    deliveries.c.activity_id == published.c.id,
    deliveries.c.inbox == _OWNER.c.inbox,
    _OWNER.c.id == audiences.VIEWER,
)
# What was edited away is shown to nobody any more; a project passes on what stands in it, too.
_POST_NOW: ColumnElement[Any] = case(
    (
        and_(
            objects.c.edited_at.is_not(None),
            or_(
                published.c.type.in_(("Create", "Update")),
                and_(published.c.type == "Announce", published.c.actor_id == objects.c.project_id),
            ),
        ),
        objects.c.document,
    )
)
# Our own activities that the viewer may see, each beside the post it is about, if any. A report
# is between who wrote it and the administrators.
_SEEN: sql.Rows = (
    select(*_COLUMNS, _POST_NOW)
    .select_from(published)
    .outerjoin(objects, objects.c.uri == published.c.object_uri)
    .join(actors, actors.c.id == published.c.actor_id)
    .where(
        ~published.c.forwarded,
        audiences.welcome(actors),
        audiences.at_peace(audiences.VIEWER, published.c.actor_id),
        audiences.knows(audiences.VIEWER, actors),
        or_(published.c.type != "Flag", published.c.actor_id == audiences.VIEWER),
        audiences.admits(
            published.c.audience,
            published.c.actor_id,
            published.c.project_id,
            or_(audiences.named(objects.c.id, audiences.VIEWER), _BROUGHT),
            audiences.VIEWER,
            audiences.VIEWER_IS_LOCAL,
        ),
    )
)
_SEEN_BY_URI = _SEEN.where(
    published.c.uri == sql.words("of_uri"),
    or_(
        objects.c.id.is_(None),
        and_(or_(objects.c.deleted_at.is_(None), published.c.type == "Delete"), audiences.VISIBLE),
    ),
)
_OWN = select(*_COLUMNS).where(
    published.c.uri == sql.words("of_uri"),
    published.c.actor_id == sql.number("of_actor"),
    ~published.c.forwarded,
)
_OUTBOX = _SEEN.where(
    published.c.actor_id == sql.number("of_actor"),
    published.c.type.in_(("Create", "Announce")),
    objects.c.id.is_not(None),
    objects.c.deleted_at.is_(None),
    audiences.VISIBLE,
)
_PAGE_OF_OUTBOX = sql.newest(_OUTBOX, published.c.id)
_COUNT_OUTBOX = _OUTBOX.with_only_columns(func.count())


def seen_by_uri(tx: Transaction, viewer: Viewer, uri: str) -> Shown | None:
    """One of our activities, if the viewer may see it and what it is about.

    What everybody may see, what the school, followers or members of a project may: as with posts.
    Nothing that a private project says is seen by who may not know of it. Else
    its actor, whom its post names, and whose personal inbox it was delivered to. After its post
    was deleted only the Delete is left.
    """
    row = tx.execute(_SEEN_BY_URI, audiences.seen_by(viewer, of_uri=uri)).first()
    return None if row is None else Shown(*row)


def own(tx: Transaction, actor_id: int, uri: str) -> Published | None:
    """What this actor of ours sent, whether or not they may still see what it is about."""
    row = tx.execute(_OWN, {"of_actor": actor_id, "of_uri": uri}).first()
    return None if row is None else Published(*row)


def outbox(
    tx: Transaction, viewer: Viewer, actor_id: int, *, before: int | None, limit: int
) -> list[Shown]:
    """One page of what an actor said and passed on, newest first, as the viewer may see it."""
    rows = tx.execute(
        _PAGE_OF_OUTBOX, audiences.seen_by(viewer, of_actor=actor_id, **sql.page(before, limit))
    )
    return [Shown(*row) for row in rows]


def count_outbox(tx: Transaction, viewer: Viewer, actor_id: int) -> int:
    """How many of those that `outbox` lists."""
    return tx.execute(_COUNT_OUTBOX, audiences.seen_by(viewer, of_actor=actor_id)).scalar_one()


# --- what still waits ---------------------------------------------------------------------------


# What carries somebody's words. That they deleted something is not among it.
WORDS = ("Create", "Update")
_UNSENT = (
    select(*_COLUMNS)
    .where(
        published.c.object_uri == sql.words("of_object"),
        published.c.type.in_(WORDS),
        ~published.c.forwarded,
        sql.any_row(
            [deliveries],
            deliveries.c.activity_id == published.c.id,
            deliveries.c.state == "waiting",
        ),
    )
    .order_by(published.c.id)
)


def unsent(tx: Transaction, object_uri: str) -> list[Published]:
    """What carries the words of a post of ours and still waits for somebody, in order."""
    return [Published(*row) for row in tx.execute(_UNSENT, {"of_object": object_uri})]


def reword(tx: Transaction, activity_id: int, document: bytes) -> None:
    """Whoever has not got it yet will get this instead, under the same id."""
    tx.execute(update(published).where(published.c.id == activity_id).values(document=document))


# --- what is left of somebody who is gone ------------------------------------------------------


_LAST = (
    select(func.max(published.c.id))
    .where(published.c.actor_id == sql.number("of_actor"))
    .scalar_subquery()
)
_WAITS = (
    select(deliveries.c.id)
    .join(published, published.c.id == deliveries.c.activity_id)
    .where(published.c.actor_id == sql.number("of_actor"), deliveries.c.state == "waiting")
    .limit(1)
)
_LAST_WAITS = _WAITS.where(published.c.id == _LAST)
_SENT = (
    select(published.c.id)
    .where(published.c.actor_id == sql.number("of_actor"), published.c.id > sql.number("after_id"))
    .order_by(published.c.id)
    .limit(bindparam("most", type_=Integer))
)


def awaits(tx: Transaction, actor_id: int) -> bool:
    """Whether something that this actor of ours sent is still to be delivered."""
    whose = {"of_actor": actor_id}
    # Mostly it is the last word, and then the long way through all the others is saved.
    return any(tx.execute(asked, whose).first() is not None for asked in (_LAST_WAITS, _WAITS))


def empty(tx: Transaction, actor_id: int, *, after: int, limit: int) -> list[int]:
    """Forget what the next activities of an actor after the row `after` said; their rows."""
    asked = {"of_actor": actor_id, "after_id": after, "most": limit}
    rows = list(tx.execute(_SENT, asked).scalars())
    tx.execute(update(published).where(published.c.id.in_(rows)).values(document=b""))
    return rows
