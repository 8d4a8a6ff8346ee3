"""The words with # that posts are filed under, and what stands under one.

Names are kept as `federation.vocabulary.hashtags` reads them: without #, letter case and width set
aside. Whoever asks sees what they may see, as everywhere.
"""

from collections.abc import Iterable

from sqlalchemy import delete, insert, select

from storage import audience, sql
from storage.audience import Viewer
from storage.objects import COLUMNS, SHOWN, Post
from storage.tables import actors, hashtags, objects
from storage.transaction import Transaction

_FORGET = delete(hashtags).where(hashtags.c.object_id == sql.number("of_post"))
_FILE = insert(hashtags)
_OF_POST = (
    select(hashtags.c.name)
    .where(hashtags.c.object_id == sql.number("of_post"))
    .order_by(hashtags.c.name)
)
# What its author left out of lists, or wrote to named people, stays out of this one too.
LISTED = ("public", "followers", "school", "project")
_POSTS = sql.newest(
    select(*COLUMNS)
    .join_from(hashtags, objects, objects.c.id == hashtags.c.object_id)
    .where(
        hashtags.c.name == sql.words("of_name"),
        objects.c.audience.in_(LISTED),
        *SHOWN,
    ),
    hashtags.c.object_id,
)
_OUR_POSTS = _POSTS.where(
    sql.any_row([actors], actors.c.id == objects.c.author_id, actors.c.peer_id.is_(None))
)


def file(tx: Transaction, object_id: int, names: Iterable[str]) -> None:
    """File a post under these names, and no others any more."""
    tx.execute(_FORGET, {"of_post": object_id})
    rows = [{"object_id": object_id, "name": name} for name in sorted(set(names))]
    if rows:
        tx.execute(_FILE, rows)


def of_post(tx: Transaction, object_id: int) -> list[str]:
    """The names that a post is filed under, in alphabetical order."""
    return list(tx.execute(_OF_POST, {"of_post": object_id}).scalars())


def posts(
    tx: Transaction,
    viewer: Viewer,
    name: str,
    *,
    before: int | None,
    limit: int,
    ours_only: bool = False,
) -> list[Post]:
    """What the viewer may see under a name, newest first; `ours_only`: by people of this school."""
    statement = _OUR_POSTS if ours_only else _POSTS
    rows = tx.execute(statement, audience.seen_by(viewer, of_name=name, **sql.page(before, limit)))
    return [Post(*row) for row in rows]
