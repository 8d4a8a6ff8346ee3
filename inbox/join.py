"""Someone asks to be in a project. https://www.w3.org/TR/activitystreams-vocabulary/#dfn-join

At the project's own school the leads are told, and one of them answers. Where a lead works at
another school, the project passes the request on to there.
"""

from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, projects, rosters
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Keep the request until a lead answers. Raises Refused for what is no project that they may
    know of."""
    asker = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    if activity.passed_on_by is not None:
        rosters.passed_on(tx, activity, asker)
        return
    project = projects.about(tx, activity, vocabulary.one(activity.object))
    projects.ask(tx, project, asker, activity)
