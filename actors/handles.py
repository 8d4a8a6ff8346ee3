"""From what somebody typed, a handle as on a business card, to the person it belongs to.

The domain of a handle may be shorter than the name of the server that its owner lives on. It is
remembered once both servers said so; a profile alone cannot claim it.
"""

from actors import remote
from actors.server import Server, instance_signer
from federation import webfinger
from federation.errors import Gone, Refused
from storage import actors, projects
from storage.actors import Actor
from storage.database import Transaction


async def find(server: Server, typed: str) -> Actor:
    """The actor of a handle: @lee@school.example, lee@school.example, !maths@forum.example.

    Ours come from the database, whatever the letter case; others are looked up, fetched and kept.
    A private project has no handle for anybody: its members find it where they are in it.
    Raises Malformed for what is no handle, Refused for servers we do not talk to or that do not
    agree, Gone where there is nobody of that name, Unreachable.
    """
    username, host = webfinger.handle(typed, server.rules)
    if host == server.school.host:
        ours = await server.database.read(_ours, username)
        if ours is None or ours.state == "deleted":
            raise Gone(f"{username}@{host}", 404)
        return ours
    found = await webfinger.look_up(
        server.client,
        username,
        host,
        kind="Group" if typed.strip().startswith("!") else "Person",
        signer=await instance_signer(server),
    )
    actor = await remote.actor(server, found.actor)
    if await server.database.read(projects.hidden, None, actor):
        raise Gone(f"{username}@{host}", 404)
    if actor.local or actor.host == found.host:
        return actor
    if actor.username.casefold() != found.username.casefold():
        raise Refused(f"{actor.uri} does not call itself {found.username}")
    return await server.database.write(_remember, actor, found.host)


def _ours(tx: Transaction, username: str) -> Actor | None:
    found = actors.local_by_username(tx, username)
    return None if found is None or projects.hidden(tx, None, found) else found


def _remember(tx: Transaction, actor: Actor, host: str) -> Actor:
    return actors.set_handle_host(tx, actor.id, host)
