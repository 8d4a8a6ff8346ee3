"""Every activity that has an effect when it arrives, and every known one that has none.

To add one, write `inbox/<type>.py` with `receive(tx, activity)` and a line here. What a handler
needs from other servers stands in `fetch`: it is had before the transaction begins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from federation import vocabulary
from federation.activity import Activity
from inbox import (
    accept,
    add,
    announce,
    block,
    create,
    delete,
    flag,
    follow,
    invite,
    join,
    leave,
    like,
    move,
    reject,
    remove,
    undo,
    update,
)
from storage.database import Transaction

Screen = Callable[[Transaction, Activity], None]


@dataclass(frozen=True)
class Handler:
    """What is done when an activity arrives.

    `fetch` names the properties whose documents `receive` needs. With `passes_on` these may be
    another's, so that a copy inside the activity is a hint even where it is of the same server.
    `screen` raises Refused beforehand for what has no effect whatever is fetched.
    """

    receive: Callable[[Transaction, Activity], None]
    fetch: tuple[str, ...] = ()
    passes_on: bool = False
    screen: Screen | None = None


HANDLERS: Mapping[str, Handler] = {
    "Accept": Handler(accept.receive),
    "Add": Handler(add.receive, fetch=("object",), screen=add.screen),
    "Announce": Handler(announce.receive, fetch=("object",), passes_on=True),
    "Block": Handler(block.receive),
    "Create": Handler(create.receive, fetch=("object",)),
    "Delete": Handler(delete.receive),
    "EmojiReact": Handler(like.receive),
    "Flag": Handler(flag.receive),
    "Follow": Handler(follow.receive),
    "Invite": Handler(invite.receive, fetch=("object", "target"), screen=invite.screen),
    "Join": Handler(join.receive),
    "Leave": Handler(leave.receive),
    "Like": Handler(like.receive),
    "Move": Handler(move.receive, fetch=("target",), screen=move.screen),
    "Reject": Handler(reject.receive),
    "Remove": Handler(remove.receive),
    "Undo": Handler(undo.receive),
    "Update": Handler(update.receive, fetch=("object",)),
}

# Kept and acknowledged like all others, and without effect: why, in the words of the log.
DECLINED: Mapping[str, str] = {
    "Apply": "code is not worked on here",
    "Arrive": "where people are is not kept here",
    "Bite": "bites are not kept here",
    "Dislike": "dislikes are not counted here",
    "Edit": "code is not worked on here",
    "Grant": "code is not worked on here",
    "Ignore": "whom others ignore is not kept here",
    "Listen": "what people listen to is not kept here",
    "LikeRequest": "whoever may see a post may like it: no leave is asked or given",
    "Lock": "answers to a post are not closed from elsewhere",
    "Offer": "offers are not taken",
    "Push": "code is not worked on here",
    "QuoteRequest": "whoever may see a post may quote it: no leave is asked or given",
    "Question": "a question is asked in a Create",
    "Read": "who read what is not kept here",
    "ReplyRequest": "whoever may see a post may answer it: no leave is asked or given",
    "Resolve": "code is not worked on here",
    "Revoke": "code is not worked on here",
    "TentativeAccept": "an answer that is not yet one",
    "TentativeReject": "an answer that is not yet one",
    "Travel": "where people go is not kept here",
    "View": "who looked at what is not kept here",
}
UNKNOWN = "nobody here knows this type of activity"


def declined(kind: str) -> str | None:
    """Why an activity of that type has no effect here; None if it has one."""
    return None if kind in HANDLERS else DECLINED.get(kind, UNKNOWN)


def typed(activity: Activity) -> Activity:
    """The activity under the first of its types that we know, if it has several."""
    if activity.type == activity.json.get("type"):
        return activity
    for kind in vocabulary.types_of(activity.json):
        if kind in HANDLERS:
            return replace(activity, type=kind)
    return activity
