"""Which other servers we talk to at all: asked before anything comes in or goes out (R0, R16)."""

from collections.abc import Awaitable, Callable

from federation.errors import Refused
from storage import peers
from storage.database import Database, Transaction


def admit(tx: Transaction, mode: str, host: str) -> None:
    """Raise Refused when `host` is blocked, or not on the list while we talk to listed hosts only.

    A block covers sub-domains and wins. Our own host is always admitted; what may not come to us
    under its name is refused where it arrives.
    """
    if host == tx.school.host:
        return
    policy = peers.policy(tx, host)
    if policy == "blocked":
        raise Refused(f"{host} is blocked")
    if mode == "network" and policy != "allowed":
        raise Refused(f"{host} is not on our list")


def gate(database: Database, mode: str) -> Callable[[str], Awaitable[None]]:
    """The same for who has no transaction, such as the client before it asks another server."""

    async def admitted(host: str) -> None:
        await database.read(admit, mode, host)

    return admitted
