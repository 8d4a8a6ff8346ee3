"""Someone takes a post off the top of their page.

https://www.w3.org/TR/activitypub/#remove-activity-inbox
"""

from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, featured
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Show it there no more. Raises Refused for collections other than their own `featured`."""
    actor = concerned.sender(tx, activity)
    featured.check(actor, activity.target, activity.rules)
    featured.hide(tx, actor, vocabulary.uri_of(activity.object, activity.rules))
