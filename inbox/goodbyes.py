"""Somebody says that they are gone, and the key that could prove it is not to be had any more.

Then their own server is asked. 410 is its word, and counts at once. 404 is also what a server says
that is being mended: such a goodbye is kept, has no effect for a day, and then has one only if the
server still knows nobody of that name. When in doubt nobody is deleted (PROTOCOL §5, SECURITY R49).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from actors import budget, remote
from actors.budget import Budget
from actors.server import Server
from federation import addresses
from federation.activity import Activity
from federation.errors import Gone, Refused, Unreachable
from storage import actors
from storage.received import Incoming

# The type of such a row in `received`: nothing else that is kept there is without proof.
UNPROVEN = "Unproven Delete"
# Between the two times that their server has to say it.
APART = timedelta(days=1)


def unproven(goodbye: Incoming, now: datetime) -> Incoming:
    """The row to keep of it: one for each person, inbox and day, however often it is said.

    Under an id of our own: what nobody proved must not use up the id of what somebody will.
    """
    return replace(goodbye, uri=f"{goodbye.actor_uri}#gone-{now:%Y-%m-%d}", type=UNPROVEN)


async def look_again(server: Server, activity: Activity, came_at: datetime) -> None:
    """Return if their server says for the second time that there is nobody of that name.

    Raises Unreachable until a day after it came, and while that server cannot be had; anything
    else where they are there, or were meanwhile.
    """
    host = addresses.authority(activity.actor, server.rules)
    left = came_at + APART - server.now()
    if left > timedelta(0):
        reason = "404 alone deletes nobody: asked again a day later"
        raise Unreachable(host, reason, retry_after=left.total_seconds())
    known = await server.database.read(actors.by_uri, activity.actor)
    if known is None or (known.fetched_at is not None and known.fetched_at > came_at):
        raise Refused("they were seen after they had said that they are gone")
    try:
        with budget.spending(Budget(host)):
            await remote.fetch(server, activity.actor)
    except Gone:
        return
    raise Refused("they say that they are gone, and their server shows them")
