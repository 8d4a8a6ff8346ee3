"""Every activity that has an effect when it arrives.

To add one, write `inbox/<type>.py` with `receive(tx, activity)` and a line here. What a handler
needs from other servers stands in `fetch`: it is had before the transaction begins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from federation import vocabulary
from federation.activity import Activity
from inbox import accept, announce, create, delete, follow, like, reject, undo, update
from storage.database import Transaction


@dataclass(frozen=True)
class Handler:
    """What is done when an activity arrives.

    `fetch` names the properties whose documents `receive` needs. With `passes_on` these may be
    another's, so that a copy inside the activity is a hint even where it is of the same server.
    """

    receive: Callable[[Transaction, Activity], None]
    fetch: tuple[str, ...] = ()
    passes_on: bool = False


HANDLERS: Mapping[str, Handler] = {
    "Accept": Handler(accept.receive),
    "Announce": Handler(announce.receive, fetch=("object",), passes_on=True),
    "Create": Handler(create.receive, fetch=("object",)),
    "Delete": Handler(delete.receive),
    "EmojiReact": Handler(like.receive),
    "Follow": Handler(follow.receive),
    "Like": Handler(like.receive),
    "Reject": Handler(reject.receive),
    "Undo": Handler(undo.receive),
    "Update": Handler(update.receive, fetch=("object",)),
}


def typed(activity: Activity) -> Activity:
    """The activity under the first of its types that we know, if it has several."""
    for kind in vocabulary.types_of(activity.json):
        if kind in HANDLERS:
            return replace(activity, type=kind)
    return activity
