"""Posts that people keep at the top of their page."""

from sqlalchemy import delete, select

from storage import audience, objects, sql, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import featured
from storage.transaction import Transaction

_OF_ACTOR = (
    select(*objects.COLUMNS)
    .select_from(featured)
    .join(tables.objects, tables.objects.c.id == featured.c.object_id)
    .where(featured.c.actor_id == sql.number("of_actor"), *objects.SHOWN)
    .order_by(featured.c.created_at.desc(), featured.c.object_id.desc())
    .limit(sql.LARGEST_PAGE)
)


def add(tx: Transaction, actor_id: int, object_id: int) -> bool:
    """True if it is new."""
    row = {"actor_id": actor_id, "object_id": object_id, "created_at": tx.now}
    return sql.is_new(tx, featured, row)


def remove(tx: Transaction, actor_id: int, object_id: int) -> bool:
    removed = tx.execute(
        delete(featured).where(featured.c.actor_id == actor_id, featured.c.object_id == object_id)
    )
    return removed.rowcount > 0


def of_actor(tx: Transaction, viewer: Viewer, actor_id: int) -> list[Post]:
    """What an actor features and the viewer may see, the latest first."""
    rows = tx.execute(_OF_ACTOR, audience.seen_by(viewer, of_actor=actor_id))
    return [Post(*row) for row in rows]
