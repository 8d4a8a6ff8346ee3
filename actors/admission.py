"""Which other servers we talk to at all: asked before anything comes in or goes out (R0, R16)."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from actors import budget
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
    """The same for who has no transaction: the client before each request for something.

    What one arriving activity may cost is counted here too, and how many servers of one domain
    we meet for the first time. Raises Refused and Unreachable.
    """
    newcomers = budget.Newcomers()

    async def admitted(host: str) -> None:
        known, now = await database.read(_admitted, mode, host)
        if not known:
            newcomers.meet(host, now)
        budget.spend(host)

    return admitted


def _admitted(tx: Transaction, mode: str, host: str) -> tuple[bool, datetime]:
    """Whether we know the host, which is admitted, and what time it is."""
    admit(tx, mode, host)
    return mode == "network" or peers.by_host(tx, host) is not None, tx.now
