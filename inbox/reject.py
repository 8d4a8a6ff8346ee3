"""Someone says no: to one of us who follows them, perhaps for long, to an invitation, to who asks
to be in a project.

https://www.w3.org/TR/activitypub/#reject-activity-inbox
"""

from federation.activity import Activity
from inbox import concerned, projects, requests, rosters
from storage import follows, moved_things
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """What was asked ends, or never begins. Raises Refused for what nobody asked."""
    asked = requests.of_project(tx, activity)
    if asked is not None:
        known, project, actor = asked
        if actor.id == project.id:
            rosters.rejected(tx, project, known)
        else:
            projects.reject(tx, project, actor, known)
        return
    follow, follower = requests.answered(tx, activity)
    follows.reject(tx, follow.follower_id, follow.followee_id)
    followee = concerned.sender(tx, activity)
    moved_things.settle_for(
        tx, follower.id, "in", "following", followee.uri, "refused", "they said no"
    )
