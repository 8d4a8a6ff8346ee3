"""Posts that people keep at the top of their page: at most twenty each."""

from sqlalchemy import delete, func, select

from storage import audience, objects, sql, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import featured
from storage.transaction import Transaction

MOST = 20
# What may stand where everybody looks; each reader still sees only what is for them.
SHOWABLE = ("public", "unlisted", "followers")


class Full(Exception):
    """This actor features as many posts as may be."""


_COUNT = (
    select(func.count()).select_from(featured).where(featured.c.actor_id == sql.number("of_actor"))
)
_OF_ACTOR = (
    select(*objects.COLUMNS)
    .select_from(featured)
    .join(tables.objects, tables.objects.c.id == featured.c.object_id)
    .where(featured.c.actor_id == sql.number("of_actor"), *objects.SHOWN)
    .order_by(featured.c.created_at.desc(), featured.c.object_id.desc())
    .limit(MOST)
)


def add(tx: Transaction, actor_id: int, object_id: int) -> bool:
    """True if it is new. Raises Full where there are twenty others already."""
    row = {"actor_id": actor_id, "object_id": object_id, "created_at": tx.now}
    if not sql.is_new(tx, featured, row):
        return False
    if tx.execute(_COUNT, {"of_actor": actor_id}).scalar_one() > MOST:
        remove(tx, actor_id, object_id)
        raise Full(f"more than {MOST} posts at the top of a page")
    return True


def remove(tx: Transaction, actor_id: int, object_id: int) -> bool:
    removed = tx.execute(
        delete(featured).where(featured.c.actor_id == actor_id, featured.c.object_id == object_id)
    )
    return removed.rowcount > 0


def of_actor(tx: Transaction, viewer: Viewer, actor_id: int) -> list[Post]:
    """What an actor features and the viewer may see, the latest first."""
    rows = tx.execute(_OF_ACTOR, audience.seen_by(viewer, of_actor=actor_id))
    return [Post(*row) for row in rows]
