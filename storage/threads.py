"""A conversation as one reads it: what a post answers, and what was answered to it.

Both ways lead over posts that the viewer may not see, and only what they may see is given: an
answer to something hidden or deleted stands where it would if that were not there, below the
nearest post above it that is shown. Strangers decide how long a conversation is and whether it
goes in a circle, so each walk is one query with an end.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, literal, select

from storage import audience, objects, sql, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.sql import AnyRow
from storage.transaction import Transaction

# How many steps up and down are looked at, and how many posts below in all.
STEPS = 40
DEEPEST = 100
WALKED = 1_000
# How many answers are shown: those nearest to the post.
REPLIES = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """What stands around a post, for one viewer."""

    ancestors: list[Post]  # the oldest first
    replies: list[tuple[int, Post]]  # in reading order; 1 answers the post itself, 2 such an answer


def around(tx: Transaction, viewer: Viewer, post_id: int) -> Thread:
    """The conversation around a post that the viewer may see, as far as they may see it.

    Answers to one post stand in the order in which they were written, each followed by what was
    answered to it.
    """
    parameters = audience.seen_by(viewer, of_post=post_id)
    above = tx.execute(_ABOVE, parameters).all()
    below = tx.execute(_BELOW, parameters).all()
    # In a circle the same post comes again and again: it stands where one comes upon it first.
    ancestors = {row[0]: Post(*row) for row in above}
    ancestors.pop(post_id, None)
    return Thread(list(reversed(ancestors.values())), _in_reading_order(post_id, below))


def missing_above(tx: Transaction, post_id: int) -> str | None:
    """The id of the nearest post above this one that we have not got, whoever may see them."""
    return tx.execute(_MISSING, {"of_post": post_id}).scalar()


# --- the two walks -------------------------------------------------------------------------------

_START = sql.number("of_post")

_root = tables.objects.alias("root")
_parent = tables.objects.alias("parent")
_upwards = (
    select(_root.c.in_reply_to.label("uri"), literal(0).label("step"))
    .where(_root.c.id == _START)
    .cte("above", recursive=True)
)
_upwards = _upwards.union_all(
    select(_parent.c.in_reply_to, _upwards.c.step + 1)
    .select_from(_parent)
    .join(_upwards, _parent.c.uri == _upwards.c.uri)
    .where(_upwards.c.step < STEPS - 1)
)
_ABOVE = (
    select(*objects.COLUMNS)
    .select_from(_upwards)
    .join(tables.objects, tables.objects.c.uri == _upwards.c.uri)
    .where(*objects.SHOWN)
    .order_by(_upwards.c.step)
)

_MISSING = (
    select(_upwards.c.uri)
    .outerjoin(tables.objects, tables.objects.c.uri == _upwards.c.uri)
    .where(_upwards.c.uri.is_not(None), tables.objects.c.id.is_(None))
    .limit(1)
)

# Every post has one parent, so a circle that one gets into on the way down leads through its
# start: whoever never comes back there comes to nothing twice.
_first = tables.objects.alias("first")
_reply = tables.objects.alias("reply")
_downwards = (
    select(
        _first.c.id,
        _first.c.uri,
        _root.c.id.label("parent_id"),
        literal(1).label("depth"),
    )
    .select_from(_root)
    .join(_first, _first.c.in_reply_to == _root.c.uri)
    .where(_root.c.id == _START, _first.c.id != _START)
    .cte("below", recursive=True)
)
_downwards = _downwards.union_all(
    select(_reply.c.id, _reply.c.uri, _downwards.c.id, _downwards.c.depth + 1)
    .select_from(_downwards)
    .join(_reply, _reply.c.in_reply_to == _downwards.c.uri)
    .where(_downwards.c.depth < DEEPEST, _reply.c.id != _START)
)
# Both engines walk level by level and stop once enough was found.
_walked = (
    select(_downwards.c.id, _downwards.c.parent_id, _downwards.c.depth)
    .limit(WALKED)
    .subquery("walked")
)
_BELOW = (
    select(_walked.c.id, _walked.c.parent_id, _walked.c.depth, *objects.COLUMNS)
    .select_from(_walked)
    .outerjoin(tables.objects, and_(tables.objects.c.id == _walked.c.id, *objects.SHOWN))
)


def _in_reading_order(post_id: int, rows: Sequence[AnyRow]) -> list[tuple[int, Post]]:
    """The posts among `rows` (id, parent, depth, and the post where it is shown) as a tree."""
    parents = {row[0]: row[1] for row in rows}
    shown = [(row[2], sql.part(Post, row, 3)) for row in rows if row[3] is not None]
    shown.sort(key=lambda pair: (pair[0], pair[1].published_at, pair[1].id))
    nearest = [post for _, post in shown[:REPLIES]]
    known = {post.id for post in nearest} | {post_id}
    answers: dict[int, list[Post]] = defaultdict(list)
    for post in nearest:
        answered = parents[post.id]
        while answered not in known:
            answered = parents[answered]
        answers[answered].append(post)
    for siblings in answers.values():
        siblings.sort(key=lambda post: (post.published_at, post.id), reverse=True)
    ordered: list[tuple[int, Post]] = []
    waiting = [(1, post) for post in answers[post_id]]
    while waiting:
        depth, post = waiting.pop()
        ordered.append((depth, post))
        waiting += [(depth + 1, answer) for answer in answers[post.id]]
    return ordered
