"""What stands below a post: how many like it, passed it on and answered it, and what the reader
did with it.

Counted is only what the reader may see, so that a number tells nobody of what is not for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Table, case, func, or_, select

from storage import audience, sql
from storage.audience import OPEN, Viewer
from storage.objects import SHOWN
from storage.tables import actors, announces, featured, likes, objects
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Marks:
    """`liked`, `announced` and `pinned`: by the reader."""

    likes: int = 0
    announces: int = 0
    replies: int = 0
    liked: bool = False
    announced: bool = False
    pinned: bool = False


UNMARKED = Marks()

_POSTS = sql.one_of("of_posts")
_MINE = func.count(case((actors.c.id == audience.VIEWER, 1)))
_PINNED = select(featured.c.object_id).where(
    featured.c.actor_id == audience.VIEWER, featured.c.object_id.in_(_POSTS)
)


def _seen_doing(table: Table) -> sql.Rows:
    """Per post: how many did it whom the reader may know of, and whether the reader did."""
    return (
        select(table.c.object_id, func.count(), _MINE)
        .select_from(table)
        .join(objects, objects.c.id == table.c.object_id)
        .join(actors, actors.c.id == table.c.actor_id)
        .where(
            table.c.object_id.in_(_POSTS),
            *SHOWN,
            audience.welcome(actors),
            audience.at_peace(audience.VIEWER, actors.c.id),
            audience.knows(audience.VIEWER, actors),
        )
        .group_by(table.c.object_id)
    )


_LIKES = _seen_doing(likes)
_ANNOUNCES = _seen_doing(announces).where(
    or_(announces.c.audience.in_(OPEN), announces.c.actor_id == audience.VIEWER)
)
_PARENT = objects.alias("parent")
_REPLIES = (
    select(_PARENT.c.id, func.count())
    .select_from(_PARENT)
    .join(objects, objects.c.in_reply_to == _PARENT.c.uri)
    .where(
        _PARENT.c.id.in_(_POSTS),
        audience.visible_to(audience.VIEWER, audience.VIEWER_IS_LOCAL, _PARENT),
        *SHOWN,
    )
    .group_by(_PARENT.c.id)
)


def of_posts(tx: Transaction, reader_id: int, post_ids: Iterable[int]) -> dict[int, Marks]:
    """The marks of each of these posts, for one of our people. What they may not see has none."""
    wanted = sorted(set(post_ids))
    if not wanted:
        return {}
    asked = audience.seen_by(Viewer(reader_id, local=True), of_posts=wanted)
    liked = {row[0]: (row[1], row[2] > 0) for row in tx.execute(_LIKES, asked)}
    announced = {row[0]: (row[1], row[2] > 0) for row in tx.execute(_ANNOUNCES, asked)}
    replies = {row[0]: row[1] for row in tx.execute(_REPLIES, asked)}
    pinned = set(tx.execute(_PINNED, asked).scalars())
    return {
        id_: Marks(
            likes=liked.get(id_, (0, False))[0],
            announces=announced.get(id_, (0, False))[0],
            replies=replies.get(id_, 0),
            liked=liked.get(id_, (0, False))[1],
            announced=announced.get(id_, (0, False))[1],
            pinned=id_ in pinned,
        )
        for id_ in wanted
    }
