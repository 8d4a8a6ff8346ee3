"""What waits to be sent is not sent after all: it was deleted, edited, or its reader left.

https://www.w3.org/TR/activitypub/#delivery
"""

from sqlalchemy import bindparam, func, or_, select, update

from storage import audience, sql
from storage.published import WORDS
from storage.tables import Moment, actors, deliveries, memberships, objects, published
from storage.transaction import Transaction

_MOMENT = bindparam("moment", type_=Moment())

_WITHDRAW = (
    update(deliveries)
    .where(deliveries.c.state == "waiting")
    .values(state="over", reason="deleted before it was sent", ended_at=_MOMENT)
)
_WITHDRAW_POST = _WITHDRAW.where(
    deliveries.c.activity_id.in_(
        select(published.c.id).where(
            # A project passes them on, too: but never again once they are deleted.
            published.c.object_uri == sql.words("of_object"),
            published.c.type.in_((*WORDS, "Announce")),
        )
    )
)
_WITHDRAW_PERSON = _WITHDRAW.where(
    deliveries.c.activity_id.in_(
        select(published.c.id).where(
            published.c.actor_id == sql.number("of_actor"), published.c.type.in_(WORDS)
        )
    )
)


def withdraw(tx: Transaction, object_uri: str) -> None:
    """The words of a post that was deleted are not brought to anybody any more, nor passed on.

    To be called before its deletion is passed on.
    """
    tx.execute(_WITHDRAW_POST, {"of_object": object_uri, "moment": tx.now})


def withdraw_all(tx: Transaction, actor_id: int) -> None:
    """Nor is anything that somebody wrote who is gone."""
    tx.execute(_WITHDRAW_PERSON, {"of_actor": actor_id, "moment": tx.now})


_MEMBER, _PERSON = memberships.alias(), actors.alias()
_STILL_THERE = sql.any_row(
    [_MEMBER, _PERSON],
    _MEMBER.c.project_id == sql.number("of_project"),
    audience.lasting(_MEMBER),
    _PERSON.c.id == _MEMBER.c.actor_id,
    func.coalesce(_PERSON.c.shared_inbox, _PERSON.c.inbox) == sql.words("of_inbox"),
)
_SAID, _POST = published.alias("said"), objects.alias("post")
_WITHHOLD = (
    update(deliveries)
    .where(
        deliveries.c.state == "waiting",
        deliveries.c.peer_id == sql.number("of_peer"),
        deliveries.c.inbox == sql.words("of_inbox"),
        sql.any_row(
            [_SAID, _POST],
            _SAID.c.id == deliveries.c.activity_id,
            _SAID.c.actor_id == sql.number("of_project"),
            _SAID.c.type == "Announce",
            _SAID.c.audience == "project",
            _POST.c.uri == _SAID.c.object_uri,
            _POST.c.deleted_at.is_(None),
        ),
        ~_STILL_THERE,
    )
    .values(state="over", reason="they left before it was sent", ended_at=_MOMENT)
)


def withhold(tx: Transaction, project_id: int, peer_id: int, inbox: str) -> None:
    """What was said among the members of a project is not brought any more to where none of them
    is now. To be called when somebody left it; that words were deleted is still told."""
    asked = {"of_project": project_id, "of_peer": peer_id, "of_inbox": inbox}
    tx.execute(_WITHHOLD, {**asked, "moment": tx.now})


_NEWER = deliveries.alias("newer")
_GOES_THERE_TOO = sql.any_row(
    [_NEWER],
    _NEWER.c.activity_id == sql.number("by_activity"),
    _NEWER.c.inbox == deliveries.c.inbox,
)
_EDIT = published.alias("edit")
_IS_AN_EDIT = sql.any_row([_EDIT], _EDIT.c.id == deliveries.c.activity_id, _EDIT.c.type == "Update")
_OVERTAKE = (
    update(deliveries)
    .where(
        deliveries.c.activity_id.in_(
            select(published.c.id).where(
                published.c.object_uri == sql.words("of_object"),
                published.c.type.in_(WORDS),
                published.c.id < sql.number("by_activity"),
            )
        ),
        deliveries.c.state == "waiting",
        or_(_IS_AN_EDIT, ~_GOES_THERE_TOO),
    )
    .values(state="over", reason="edited before it was sent", ended_at=_MOMENT)
)


def overtake(tx: Transaction, activity_id: int, object_uri: str) -> None:
    """A post was edited, and everybody who may know of it is to get this Update.

    So they need no earlier one that still waits for them; and whoever does not get it, since they
    may not see the post any more, gets nothing of it that still waits.
    """
    tx.execute(_OVERTAKE, {"by_activity": activity_id, "of_object": object_uri, "moment": tx.now})
