"""Someone leaves a project. https://www.w3.org/TR/activitystreams-vocabulary/#dfn-leave

From then on they see nothing of it any more. The only lead stays until there is another.
"""

from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, projects
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """They are in it no more, or take back that they asked, or decline. Raises Refused."""
    person = concerned.sender(tx, activity)
    projects.directly(activity)
    project = projects.about(tx, activity, vocabulary.one(activity.object))
    projects.leave(tx, project, person)
