"""Activities as we send them, and those of others that we pass on unchanged."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select

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
    added = tx.execute(
        sql.insert(tx, published)
        .on_conflict_do_nothing(index_elements=[published.c.uri])
        .values(asdict(row))
        .returning(published.c.id)
    ).first()
    return added is not None


def seen_by_uri(tx: Transaction, viewer: Viewer, uri: str) -> Published | None:
    """One of our activities, if the viewer may see it and what it is about.

    What everybody may see, what the school may see, what is for followers: as with posts. Else
    its actor, whom its post names, and whose personal inbox it was delivered to. After its post
    was deleted only the Delete is left.
    """
    row = tx.execute(
        _with_post(viewer).where(
            published.c.uri == uri,
            or_(
                objects.c.id.is_(None),
                and_(
                    or_(objects.c.deleted_at.is_(None), published.c.type == "Delete"),
                    audiences.visible(viewer),
                ),
            ),
        )
    ).first()
    return None if row is None else Published(*row)


def outbox(
    tx: Transaction, viewer: Viewer, actor_id: int, *, before: int | None, limit: int
) -> list[Published]:
    """One page of what an actor said and passed on, newest first, as the viewer may see it."""
    statement = _with_post(viewer).where(*_in_outbox(viewer, actor_id))
    rows = tx.execute(sql.newest(statement, published.c.id, before, limit))
    return [Published(*row) for row in rows]


def count_outbox(tx: Transaction, viewer: Viewer, actor_id: int) -> int:
    """How many of those that `outbox` lists."""
    listed = _with_post(viewer).where(*_in_outbox(viewer, actor_id)).subquery()
    return tx.execute(select(func.count()).select_from(listed)).scalar_one()


def _in_outbox(viewer: Viewer, actor_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        published.c.actor_id == actor_id,
        published.c.type.in_(("Create", "Announce")),
        objects.c.id.is_not(None),
        objects.c.deleted_at.is_(None),
        audiences.visible(viewer),
    )


def _with_post(viewer: Viewer) -> sql.Rows:
    """Our own activities that the viewer may see, each beside the post it is about, if any."""
    reader = audiences.reader_of(viewer)
    return (
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
                or_(audiences.named(objects.c.id, reader), _brought_to(reader)),
                reader,
                local=viewer.local,
            ),
        )
    )


def _brought_to(reader: ColumnElement[int] | None) -> ColumnElement[bool]:
    """True where the activity was delivered to the personal inbox of the reader."""
    if reader is None:
        return false()
    owner = actors.alias("owner")
    return sql.any_row(
        [deliveries, owner],
        deliveries.c.activity_id == published.c.id,
        deliveries.c.inbox == owner.c.inbox,
        owner.c.id == reader,
    )
