"""The school itself: one row, made once. Its address stays for ever, ids are made of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from storage import sql
from storage.tables import school
from storage.transaction import Transaction


class Founded(Exception):
    """This database already belongs to a school."""


@dataclass(frozen=True, slots=True)
class SchoolRow:
    host: str
    url: str
    name: str
    created_at: datetime


def create(tx: Transaction, host: str, url: str, name: str) -> None:
    """Raises Founded if there is a school already."""
    added = tx.execute(
        sql.insert_ignore(tx, school)
        .values(id=1, host=host, url=url, name=name, created_at=tx.now)
        .returning(school.c.id)
    ).first()
    if added is None:
        raise Founded("this database already belongs to a school")


def get(tx: Transaction) -> SchoolRow | None:
    row = tx.execute(select(*sql.columns(school, SchoolRow))).first()
    return None if row is None else SchoolRow(*row)


def touch(tx: Transaction) -> None:
    """Write the school's row as it is: that this can be committed shows that all else can."""
    tx.execute(update(school).values(host=school.c.host))
