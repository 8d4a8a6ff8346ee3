"""Someone says yes: to one of us who follows them, to an invitation, to who asks to join a project.

https://www.w3.org/TR/activitypub/#accept-activity-inbox
"""

from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, projects, requests, rosters
from storage import follows, moved_things
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """What was really asked is granted. Raises Refused for anything else."""
    asked = requests.of_project(tx, activity)
    if asked is not None:
        known, project, actor = asked
        if actor.id == project.id:
            rosters.accepted(tx, activity, project, known)
        else:
            projects.accept(tx, project, actor, known, activity)
        return
    follow, follower = requests.answered(tx, activity)
    if follow.state == "rejected":
        raise Refused("it was rejected before; it has to be asked for again")
    follows.accept(tx, follow.follower_id, follow.followee_id)
    followee = concerned.sender(tx, activity)
    concerned.notify(tx, follower, "accepted", followee)
    moved_things.settle_for(tx, follower.id, "in", "following", followee.uri, "moved")
