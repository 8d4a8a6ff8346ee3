"""Statements that are kept go straight to the driver, and answer as SQLAlchemy does."""

import gc
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, StatementError

from storage import prepared, sql
from storage.ids import Ids
from storage.tables import hashtags, peers
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import post
from tests.storage.teachers import teacher

HOSTS = ("hill.example", "lake.example", "riverside.example")
OFTEN = range(prepared.OFTEN + 3)


@pytest.fixture
def schools(tx: Transaction) -> list[int]:
    ids = [tx.new_id() for _ in HOSTS]
    for id_, host in zip(ids, HOSTS, strict=True):
        tx.execute(insert(peers).values(id=id_, host=host, created_at=tx.now))
    return ids


def test_each_run_of_a_kept_statement_answers_the_same(tx: Transaction, schools: list[int]) -> None:
    by_host = select(peers.c.id, peers.c.blocked, peers.c.created_at, peers.c.due_at).where(
        peers.c.host == sql.words("of_host")
    )
    for _ in OFTEN:
        row = tx.execute(by_host, {"of_host": HOSTS[1]}).one()
        assert row == (schools[1], False, tx.now, None)
        assert row.created_at == tx.now
        assert row.blocked is False
        assert tx.execute(by_host, {"of_host": HOSTS[1]}).scalar() == schools[1]
        assert tx.execute(by_host, {"of_host": "nowhere.example"}).first() is None


def test_lists_of_any_length_find_what_they_name(tx: Transaction, schools: list[int]) -> None:
    named = select(peers.c.host).where(peers.c.id.in_(sql.one_of("these"))).order_by(peers.c.host)
    others = select(peers.c.host).where(
        peers.c.id.in_(schools), peers.c.id.not_in(sql.one_of("these"))
    )
    for _ in OFTEN:
        for length in range(len(HOSTS) + 1):
            these = {"these": schools[:length]}
            assert tuple(tx.execute(named, these).scalars()) == HOSTS[:length]
            assert set(tx.execute(others, these).scalars()) == {*HOSTS[length:]}
        many = {"these": {*schools, *range(1, 40)}}
        assert tx.execute(named, many).scalars().all() == list(HOSTS)


def test_it_says_how_many_rows_it_changed_and_which(tx: Transaction, schools: list[int]) -> None:
    block = update(peers).where(peers.c.id.in_(sql.one_of("these"))).values(blocked=True)
    told = block.returning(peers.c.host)
    for _ in OFTEN:
        assert tx.execute(block, {"these": schools}).rowcount == 3
        assert tx.execute(block, {"these": [1]}).rowcount == 0
        answer = tx.execute(told, {"these": schools[:2]})
        assert sorted(answer.scalars()) == list(HOSTS[:2])


def test_rows_for_many_are_written_at_once(tx: Transaction) -> None:
    alice = teacher(tx, "alice")
    file = insert(hashtags)
    forget = delete(hashtags).where(hashtags.c.object_id == sql.number("of_post"))
    count = select(func.count()).select_from(hashtags)
    for _ in OFTEN:
        said = post(tx, alice)
        for names in (["art"], ["art", "maths", "music"]):
            tx.execute(file, [{"object_id": said.id, "name": name} for name in names])
            assert tx.execute(count).scalar_one() == len(names)
            assert tx.execute(forget, {"of_post": said.id}).rowcount == len(names)


def test_a_statement_that_fails_says_so_as_any_other(tx: Transaction, schools: list[int]) -> None:
    add = insert(peers)
    by_host = select(peers.c.id).where(peers.c.host == sql.words("of_host"))
    due = select(peers.c.id).where(peers.c.due_at == tx.now, peers.c.id == sql.number("of_id"))
    twice = {"id": schools[0], "host": "new.example", "created_at": tx.now}
    for _ in OFTEN:
        with pytest.raises(IntegrityError), tx.part():
            tx.execute(add, twice)
        with pytest.raises((InvalidRequestError, StatementError)):
            tx.execute(by_host, {"of_hosts": HOSTS[0]})
        with pytest.raises(StatementError), tx.part():
            tx.execute(add, {**twice, "created_at": "this morning"})
        assert tx.execute(due, {"of_id": schools[0]}).first() is None


def test_whoever_listens_to_statements_hears_of_the_kept_ones(
    tx: Transaction, schools: list[int]
) -> None:
    heard: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    count = select(func.count()).select_from(peers)
    event.listen(tx.connection, "before_cursor_execute", note)
    for _ in OFTEN:
        tx.execute(count)
    event.remove(tx.connection, "before_cursor_execute", note)
    assert len(heard) == len(OFTEN)


def test_a_kept_statement_begins_a_transaction_where_none_runs(engine: Engine) -> None:
    add = insert(peers)
    count = select(func.count()).select_from(peers)
    with engine.connect() as connection:
        tx = Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        for number in OFTEN:
            host = f"school{number}.example"
            tx.execute(add, {"id": tx.new_id(), "host": host, "created_at": tx.now})
            assert connection.in_transaction()
            assert tx.execute(count).scalar_one() == 1
            connection.rollback()
        assert tx.execute(count).scalar_one() == 0


def test_what_is_built_for_one_run_is_not_remembered(tx: Transaction) -> None:
    gc.collect()
    before = len(prepared._KEPT)
    for number in range(20):
        tx.execute(select(peers.c.id).where(peers.c.id == number)).first()
    gc.collect()
    assert len(prepared._KEPT) <= before + 1
