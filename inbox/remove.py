"""Someone takes a post off the top of their page, or somebody is in a project no more.

https://www.w3.org/TR/activitypub/#remove-activity-inbox
"""

from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, featured, projects, rosters
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Show it there no more; note that they are gone, or part with them where a lead says so.

    Raises Refused for collections other than these, and for who may not say so.
    """
    actor = concerned.sender(tx, activity)
    if rosters.speaks(activity, actor):
        projects.directly(activity)
        rosters.removed(tx, activity, actor)
        return
    project = projects.listed(tx, activity)
    if project is not None:
        projects.directly(activity)
        projects.remove(tx, project, actor, activity)
        return
    featured.check(actor, activity.target, activity.rules)
    featured.hide(tx, actor, vocabulary.uri_of(activity.object, activity.rules))
