"""Someone puts a post at the top of their page, or says who is in a project.

https://www.w3.org/TR/activitypub/#add-activity-inbox; of collections we know `featured`, and the
members of projects: the project itself says who is in it, a lead makes a member something else.
"""

from actors import copies
from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, featured, posts, projects, rosters
from outbox import projects as host
from storage import objects
from storage.database import Transaction


def screen(tx: Transaction, activity: Activity) -> None:
    """Raise Refused for other collections, and other people's, before anything is fetched."""
    actor = concerned.sender(tx, activity)
    if rosters.speaks(activity, actor):
        return
    project = projects.listed(tx, activity)
    if project is not None:
        host.check_lead(tx, project, actor)
        return
    featured.check(actor, activity.target, activity.rules)


def receive(tx: Transaction, activity: Activity) -> None:
    """Show it there, or note who is in it. Raises Refused for other collections, for what is not
    their own post, and for who may not say so."""
    screen(tx, activity)
    actor = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    if rosters.speaks(activity, actor):
        projects.directly(activity)
        rosters.added(tx, activity, actor)
        return
    project = projects.listed(tx, activity)
    if project is not None:
        projects.directly(activity)
        projects.change_role(tx, project, actor, activity)
        return
    uri = vocabulary.uri_of(activity.object, activity.rules)
    if objects.by_uri(tx, uri) is None and vocabulary.id_of(activity.object) in activity.fetched:
        copies.keep_fetched(tx, posts.object_of(activity), activity.rules)
    featured.show(tx, actor, uri)
