"""Somebody by what was typed into a form: a handle, or the address of their page.

A name alone is a colleague's.
"""

from actors import handles, remote
from actors.server import Server
from federation import addresses
from federation.errors import Gone, Malformed, Unreachable, WireError
from storage.actors import Actor


async def person(server: Server, handle: str) -> Actor:
    """The actor of a handle, fetched if need be. Raises Malformed, naming the handle."""
    whole = "@" in handle.lstrip("@")
    try:
        return await handles.find(server, handle if whole else f"{handle}@{server.school.host}")
    except Gone:
        raise Malformed(f"there is nobody called {handle}") from None
    except Unreachable:
        raise Malformed(f"{handle}: that school cannot be reached just now") from None
    except WireError as error:
        raise Malformed(f"{handle}: {error}") from error


async def account(server: Server, typed: str) -> Actor:
    """The same, or whose page or id it is. Raises Malformed likewise."""
    if not typed.lower().startswith(("https://", "http://")):
        return await person(server, typed)
    try:
        url = addresses.canonical(typed, server.rules)
        return await remote.actor(server, (await remote.fetch(server, url))["id"])
    except Gone:
        raise Malformed(f"there is nobody at {typed}") from None
    except Unreachable:
        raise Malformed(f"{typed}: that school cannot be reached just now") from None
    except WireError as error:
        raise Malformed(f"{typed}: {error}") from error
