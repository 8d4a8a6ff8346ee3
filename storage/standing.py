"""Who was suspended by our administrator, and who moved to another account."""

from collections.abc import Iterable

from sqlalchemy import or_, select, update

from storage import sql
from storage.actors import State
from storage.tables import actors
from storage.transaction import Transaction

_STATES = select(actors.c.uri, actors.c.state).where(actors.c.uri.in_(sql.one_of("uris")))


def states(tx: Transaction, uris: Iterable[str]) -> dict[str, str]:
    """How those of these actors stand whom we know, by id, asked in one go."""
    rows = tx.execute(_STATES, {"uris": sorted(set(uris))})
    return {row.uri: row.state for row in rows}


def suspend(tx: Transaction, actor_id: int) -> bool:
    """From now on they are seen by nobody. False for who was deleted, or is unknown."""
    changed = tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.state != "deleted")
        .values(state="suspended", suspended_here=True, updated_at=tx.now)
    )
    return changed.rowcount > 0


def readmit(tx: Transaction, actor_id: int, state: State) -> bool:
    """Our administrator's word ends. `state` is what is left: perhaps their own server's."""
    changed = tx.execute(
        update(actors)
        .where(actors.c.id == actor_id, actors.c.state == "suspended")
        .values(state=state, suspended_here=False, updated_at=tx.now)
    )
    return changed.rowcount > 0


def move(tx: Transaction, actor_id: int, target_uri: str) -> bool:
    """They are at `target_uri` now. False, and nothing changes, too soon after a move before: how
    long whoever moved stays is a setting of the school (PROTOCOL §6).

    Whoever came there stays as long: else followers are led along a row of accounts.
    """
    moved = tx.execute(
        update(actors)
        .where(
            actors.c.id == actor_id,
            or_(actors.c.moved_at.is_(None), actors.c.moved_at <= tx.now - tx.school.between_moves),
        )
        .values(moved_to=target_uri, moved_at=tx.now)
    )
    if moved.rowcount:
        tx.execute(update(actors).where(actors.c.uri == target_uri).values(moved_at=tx.now))
    return moved.rowcount > 0
