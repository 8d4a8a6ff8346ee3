"""What was tried lately, under names that say nothing: how often is counted for all processes.

A name is whatever is counted, a person, a network, or both, hashed with the school's secret: no
address of anybody is kept. Each stands for a few moments, and is forgotten when the last is over.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, select

from storage import sql
from storage.tables import EPOCH, MICROSECOND, Moment, attempts
from storage.transaction import Transaction

NAME_BYTES = 16


def name(tx: Transaction, *words: str) -> str:
    """What is counted under these words."""
    # Each word with its length, so that no two lists of words make one text.
    said = "".join(f"{len(word)}:{word}" for word in words).encode("utf-8", "surrogatepass")
    key = tx.school.secret
    return hashlib.blake2b(said, digest_size=NAME_BYTES, key=key, person=b"attempts").hexdigest()


_KNOWN = select(attempts.c.name, attempts.c.moments).where(
    attempts.c.name.in_(sql.one_of("of_names")),
    attempts.c.ends_at > bindparam("now", type_=Moment()),
)
_HELD = sql.holding(_KNOWN.order_by(attempts.c.name))


def known(tx: Transaction, of_name: str) -> bool:
    """Whether there is anything under this name that is not over."""
    return tx.execute(_KNOWN, {"of_names": [of_name], "now": tx.now}).first() is not None


def held(tx: Transaction, ends_at: Mapping[str, datetime]) -> dict[str, list[datetime]]:
    """The moments under each of these names, which nobody else changes until COMMIT.

    A name that is new lasts until `ends_at` says.
    """
    names = sorted(ends_at)
    tx.execute(
        sql.insert_ignore(tx, attempts),
        [{"name": one, "moments": "[]", "ends_at": ends_at[one]} for one in names],
    )
    found = dict.fromkeys(names, "[]")
    for one, text in tx.execute(_HELD, {"of_names": names, "now": tx.now}):
        found[one] = text
    return {one: _moments(text) for one, text in found.items()}


def _moments(text: str) -> list[datetime]:
    return [EPOCH + moment * MICROSECOND for moment in orjson.loads(text)]


def keep(tx: Transaction, of_name: str, moments: Iterable[datetime], ends_at: datetime) -> None:
    """From now on these moments stand under this name, until `ends_at`."""
    text = orjson.dumps([(moment - EPOCH) // MICROSECOND for moment in moments]).decode()
    tx.execute(
        _keep(sql.on_postgresql(tx)), {"of_name": of_name, "the_moments": text, "the_end": ends_at}
    )


@cache
def _keep(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, attempts).values(
        name=sql.words("of_name"),
        moments=sql.words("the_moments"),
        ends_at=bindparam("the_end", type_=Moment()),
    )
    return statement.on_conflict_do_update(
        index_elements=[attempts.c.name],
        set_={"moments": statement.excluded.moments, "ends_at": statement.excluded.ends_at},
    )


def prune(tx: Transaction, limit: int) -> int:
    """Forget at most `limit` names of which all is over; how many those were."""
    over = select(attempts.c.name).where(attempts.c.ends_at <= tx.now).limit(limit)
    return tx.execute(delete(attempts).where(attempts.c.name.in_(over))).rowcount
