"""What somebody reports to our administrator: a person, and posts of theirs.

Whoever is reported never learns of it. Of the posts only the ids are kept, so that a report shows
nobody what they may not see.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from storage import sql, tables
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import reports
from storage.transaction import Transaction

# How many posts one report may name, and how long its reason may be, in characters.
MOST_POSTS = 60
LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Report:
    id: int
    uri: str  # of the Flag activity
    reporter: Actor
    subject: Actor  # whom it is about
    posts: tuple[str, ...]  # ids
    reason: str  # plain text
    created_at: datetime
    closed_at: datetime | None


_REPORTER = tables.actors.alias("reporter")
_SUBJECT = tables.actors.alias("subject")
_REPORTS = (
    select(
        reports.c.id,
        reports.c.uri,
        reports.c.post_uris,
        reports.c.reason,
        reports.c.created_at,
        reports.c.closed_at,
        *sql.columns(_REPORTER, Actor),
        *sql.columns(_SUBJECT, Actor),
    )
    .select_from(reports)
    .join(_REPORTER, _REPORTER.c.id == reports.c.reporter_id)
    .join(_SUBJECT, _SUBJECT.c.id == reports.c.subject_id)
)
_BY_ID = _REPORTS.where(reports.c.id == sql.number("of_id"))
_BY_URI = _REPORTS.where(reports.c.uri == sql.words("of_uri"))
_PAGE = sql.newest(_REPORTS, reports.c.id)
_OPEN_PAGE = _PAGE.where(reports.c.closed_at.is_(None))
_CLOSED_PAGE = _PAGE.where(reports.c.closed_at.is_not(None))


def add(
    tx: Transaction,
    *,
    uri: str,
    reporter_id: int,
    subject_id: int,
    posts: Iterable[str],
    reason: str,
) -> bool:
    """Keep a report; false if this Flag was kept already."""
    return sql.is_new(
        tx,
        reports,
        {
            "id": tx.new_id(),
            "uri": uri,
            "reporter_id": reporter_id,
            "subject_id": subject_id,
            "post_uris": json.dumps(list(posts)),
            "reason": reason,
            "created_at": tx.now,
        },
    )


def by_id(tx: Transaction, report_id: int) -> Report | None:
    row = tx.execute(_BY_ID, {"of_id": report_id}).first()
    return None if row is None else _report(row)


def by_uri(tx: Transaction, uri: str) -> Report | None:
    """The report of this Flag; whose it is, the caller checks."""
    row = tx.execute(_BY_URI, {"of_uri": uri}).first()
    return None if row is None else _report(row)


def open_ones(
    tx: Transaction, *, before: int | None = None, limit: int = sql.LARGEST_PAGE
) -> list[Report]:
    """One page of what nobody has looked after yet, the latest first."""
    return [_report(row) for row in tx.execute(_OPEN_PAGE, sql.page(before, limit))]


def closed_ones(
    tx: Transaction, *, before: int | None = None, limit: int = sql.LARGEST_PAGE
) -> list[Report]:
    """One page of what was looked after, the latest first."""
    return [_report(row) for row in tx.execute(_CLOSED_PAGE, sql.page(before, limit))]


def close(tx: Transaction, report_id: int) -> bool:
    """Somebody looked after it. False if there is no such report, or it was closed before."""
    closed = tx.execute(
        update(reports)
        .where(reports.c.id == report_id, reports.c.closed_at.is_(None))
        .values(closed_at=tx.now)
    )
    return closed.rowcount > 0


def _report(row: sql.AnyRow) -> Report:
    return Report(
        id=row[0],
        uri=row[1],
        posts=tuple(json.loads(row[2])),
        reason=row[3],
        created_at=row[4],
        closed_at=row[5],
        reporter=sql.part(Actor, row, 6),
        subject=sql.part(Actor, row, 6 + len(ACTOR_COLUMNS)),
    )
