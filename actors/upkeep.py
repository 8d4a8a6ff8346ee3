"""A school tidies up after itself, a little at a time, so that nobody ever waits for it.

What is left of who was removed is cleared away; sign-ins that are over go; so does what others
sent, a while after, unless somebody here kept it; and the bodies of what was worked on. That
something came is never forgotten, nor who got what of ours, as long as it lives.

Rows are looked at by reading and changed a few at a time. When there is nothing to do, this costs
a few questions a minute.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from actors import leaving
from actors.server import Server
from storage import attempts, ids, pruning, rounds, sessions
from storage.database import Transaction
from storage.rounds import Round, Slice

# After so long the body of what was worked on, and lies in nobody's inbox, is of no use.
BODIES_LAST = timedelta(days=30)
# As long as a lane is kept: after that nothing of an activity waits any more.
DELIVERIES_LAST = timedelta(days=60)
# An activity comes before its post is written down: so far one round stays behind another.
BEHIND = timedelta(days=1)
# Rows of what is over that are cleared away in one go.
AT_ONCE = 500
# Conversations that are looked at in one go.
CONVERSATIONS = 20

Look = Callable[[Transaction, int, int], Slice]
Clear = Callable[[Server, tuple[int, ...], int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Task:
    """A round through one table: what it looks for, and what it does about it."""

    name: str
    look: Look
    clear: Clear
    lasts: timedelta | None = None  # how long all is left as it is; None: as others' posts are
    behind: str | None = None  # the round that this one follows


async def step(server: Server, remote_copies: timedelta | None) -> int:
    """One slice of everything that is to be tidied up; 0 when there is nothing to do now.

    `remote_copies` is how long what others sent is kept if nobody here does; None: for ever.
    """
    done = await server.database.write(leaving.finish, AT_ONCE)
    done += await server.database.write(sessions.prune, AT_ONCE)
    done += await server.database.write(attempts.prune, AT_ONCE)
    standing = await server.database.read(rounds.by_name, [task.name for task in TASKS])
    for task in TASKS:
        line = _line(server, task, remote_copies, standing)
        if line is None:
            continue
        current, now = standing[task.name], server.now()
        if task.behind is None:
            due = rounds.start_of(current, line, now)
        else:
            due = rounds.start_behind(current, standing[task.behind], line, now)
        if due is not None:
            done += await _go_on(server, task, due, line)
    return done


def _line(
    server: Server, task: Task, remote_copies: timedelta | None, standing: dict[str, Round]
) -> int | None:
    """Up to which id a round may go; None: nowhere."""
    now = server.now()
    lasts = remote_copies if task.lasts is None else task.lasts
    if lasts is None:
        return None
    if task.behind is None:
        return ids.first_at(now - lasts)
    # What hangs on something that is still to be looked at stays until then.
    return standing[task.behind].position - (ids.first_at(now) - ids.first_at(now - BEHIND))


async def _go_on(server: Server, task: Task, current: Round, line: int) -> int:
    """The next slice of a round; how many rows those were, 1 at least."""
    found = await server.database.read(task.look, current.position, line)
    if found.found:
        await task.clear(server, found.found, line)
    await server.database.write(rounds.reached, current, found.last)
    return max(len(found.found), 1)


async def _clear_posts(server: Server, starts: tuple[int, ...], line: int) -> None:
    for start in range(0, len(starts), CONVERSATIONS):
        some = starts[start : start + CONVERSATIONS]
        left = await server.database.read(pruning.unkept, some, line)
        while left:
            _, left = await server.database.write(pruning.remove_posts, left, line)


async def _clear_arrivals(server: Server, received: tuple[int, ...], _line: int) -> None:
    await server.database.write(pruning.remove_arrivals, received)
    await server.database.write(pruning.empty_bodies, received)


async def _clear_bodies(server: Server, received: tuple[int, ...], _line: int) -> None:
    await server.database.write(pruning.empty_bodies, received)


async def _clear_deliveries(server: Server, sent: tuple[int, ...], _line: int) -> None:
    more = True
    while more:
        _, more = await server.database.write(pruning.remove_deliveries, sent)


async def _clear_people(server: Server, people: tuple[int, ...], line: int) -> None:
    for start in range(0, len(people), pruning.AT_ONCE):
        some = people[start : start + pruning.AT_ONCE]
        await server.database.write(pruning.remove_people, some, line)


TASKS = (
    Task("posts", pruning.look_at_posts, _clear_posts),
    Task("arrivals", pruning.look_at_arrivals, _clear_arrivals, behind="posts"),
    Task("bodies", pruning.look_at_bodies, _clear_bodies, lasts=BODIES_LAST),
    Task("deliveries", pruning.look_at_sent, _clear_deliveries, lasts=DELIVERIES_LAST),
    Task("people", pruning.look_at_people, _clear_people),
)
