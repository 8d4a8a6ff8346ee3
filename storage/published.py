"""Activities as we send them, and those of others that we pass on unchanged."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import and_, func, or_, select

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
) -> bool:
    """Keep an activity that goes out; false if this id went out already."""
    row = Published(id, uri, actor_id, type, object_uri, audience, document, forwarded, tx.now)
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
# Our own activities that the viewer may see, each beside the post it is about, if any.
_SEEN = (
    select(*_COLUMNS)
    .select_from(published)
    .outerjoin(objects, objects.c.uri == published.c.object_uri)
    .join(actors, actors.c.id == published.c.actor_id)
    .where(
        ~published.c.forwarded,
        audiences.welcome(actors),
        audiences.admits(
            published.c.audience,
            published.c.actor_id,
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


def seen_by_uri(tx: Transaction, viewer: Viewer, uri: str) -> Published | None:
    """One of our activities, if the viewer may see it and what it is about.

    What everybody may see, what the school may see, what is for followers: as with posts. Else
    its actor, whom its post names, and whose personal inbox it was delivered to. After its post
    was deleted only the Delete is left.
    """
    row = tx.execute(_SEEN_BY_URI, audiences.seen_by(viewer, of_uri=uri)).first()
    return None if row is None else Published(*row)


def own(tx: Transaction, actor_id: int, uri: str) -> Published | None:
    """What this actor of ours sent, whether or not they may still see what it is about."""
    row = tx.execute(_OWN, {"of_actor": actor_id, "of_uri": uri}).first()
    return None if row is None else Published(*row)


def outbox(
    tx: Transaction, viewer: Viewer, actor_id: int, *, before: int | None, limit: int
) -> list[Published]:
    """One page of what an actor said and passed on, newest first, as the viewer may see it."""
    rows = tx.execute(
        _PAGE_OF_OUTBOX, audiences.seen_by(viewer, of_actor=actor_id, **sql.page(before, limit))
    )
    return [Published(*row) for row in rows]


def count_outbox(tx: Transaction, viewer: Viewer, actor_id: int) -> int:
    """How many of those that `outbox` lists."""
    return tx.execute(_COUNT_OUTBOX, audiences.seen_by(viewer, of_actor=actor_id)).scalar_one()
