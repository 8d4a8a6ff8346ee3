"""What the people of the demo do in a project that members of all three schools share.

It is private: who is not in it is told that there is no such thing, whichever way they ask.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.projects import role_word
from federation.vocabulary import id_of
from staffroom.demo_cast import PROJECT
from staffroom.demo_play import A_MOMENT, NotDone, Player, until

Tell = Callable[[str], None]


def address(players: Mapping[str, Player]) -> str:
    """The project's id."""
    return f"{players[PROJECT.owner].school}/projects/{PROJECT.slug}"


async def together(players: Mapping[str, Player], tell: Tell) -> None:
    """They are invited, accept, write, and one of them edits what they wrote."""
    project = address(players)
    guests = [players[username] for username, _ in PROJECT.guests]
    tell(f"{PROJECT.owner} invites colleagues of all three schools into “{PROJECT.name}”")
    for username, role in PROJECT.guests:
        await players[PROJECT.owner].act(
            {
                "type": "Invite",
                "object": project,
                "target": players[username].uri,
                "instrument": role_word(role),
                "to": [project],
            }
        )
    await asyncio.gather(*(_accept(guest, project) for guest in guests))
    written = {}
    for author, text in PROJECT.posts:
        written = await _write(players[author], project, text)
        tell(f"{author}, in the project: {text}")
        await asyncio.sleep(A_MOMENT)
    members = [players[PROJECT.owner], *guests]
    readers = [member for member in members if member is not players[author]]
    await _read(readers, written, text)
    better = f"<p>{PROJECT.better}</p>"
    await players[author].act({"type": "Update", "object": written | {"content": better}})
    await _read(readers, written, PROJECT.better)
    tell(f"{author} edited a post in the project; at all three schools it reads: {PROJECT.better}")
    await _look_from_outside(players[PROJECT.outsider], project, tell)


async def _accept(guest: Player, project: str) -> None:
    """Somebody accepts; they are in when the project tells them who else is."""
    invitation = await guest.arrived("Invite", project)
    await guest.act({"type": "Accept", "object": invitation["id"], "to": [project]})
    await guest.arrived("Update", project)


async def _write(author: Player, project: str, text: str) -> dict[str, Any]:
    return await author.post(
        {
            "type": "Note",
            "content": f"<p>{text}</p>",
            "to": [f"{project}/members"],
            "cc": [project],
            "audience": project,
        }
    )


async def _read(readers: Iterable[Player], post: Mapping[str, Any], text: str) -> None:
    """Wait until each of them has the post, and it says that."""

    async def read(reader: Player) -> None:
        async def look() -> bool | None:
            found = [_innermost(one) for one in await reader.arrivals()]
            return any(_says(one, str(post["id"]), text) for one in found) or None

        await until(look, f"{reader.username} waits for a post of the project")

    await asyncio.gather(*(read(reader) for reader in readers))


def _innermost(activity: Any) -> Any:
    """What an activity is about, however often it was passed on."""
    while isinstance(activity, dict) and "actor" in activity:
        activity = activity.get("object")
    return activity


def _says(post: Any, uri: str, text: str) -> bool:
    return isinstance(post, dict) and id_of(post) == uri and text in str(post.get("content"))


async def _look_from_outside(outsider: Player, project: str, tell: Tell) -> None:
    if await outsider.read(project):
        raise NotDone(f"{outsider.username} is not in the project and can read it")
    tell(f"{outsider.username} works at the same school and is not in it: for her it is not there")
