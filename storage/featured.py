"""Posts that people keep at the top of their page."""

from sqlalchemy import delete, select

from storage import objects, sql, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import featured
from storage.transaction import Transaction


def add(tx: Transaction, actor_id: int, object_id: int) -> bool:
    """True if it is new."""
    added = tx.execute(
        sql.insert_ignore(tx, featured)
        .values(actor_id=actor_id, object_id=object_id, created_at=tx.now)
        .returning(featured.c.object_id)
    ).first()
    return added is not None


def remove(tx: Transaction, actor_id: int, object_id: int) -> bool:
    removed = tx.execute(
        delete(featured).where(featured.c.actor_id == actor_id, featured.c.object_id == object_id)
    )
    return removed.rowcount > 0


def of_actor(tx: Transaction, viewer: Viewer, actor_id: int) -> list[Post]:
    """What an actor features and the viewer may see, the latest first."""
    rows = tx.execute(
        select(*objects.COLUMNS)
        .select_from(featured)
        .join(tables.objects, tables.objects.c.id == featured.c.object_id)
        .where(featured.c.actor_id == actor_id, *objects.shown(viewer))
        .order_by(featured.c.created_at.desc(), featured.c.object_id.desc())
        .limit(sql.LARGEST_PAGE)
    )
    return [Post(*row) for row in rows]
