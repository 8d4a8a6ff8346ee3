"""Tidying up goes by the indexes too, and looks at no more than a slice."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from storage import deliveries, ids, pruning, rounds
from storage.transaction import Transaction
from tests.storage import test_plans
from tests.storage.people import colleague, later, person, post, send
from tests.storage.test_plans import plans, scans

sqlite_tx = test_plans.sqlite_tx

LOOKS = [
    pruning.look_at_posts,
    pruning.look_at_arrivals,
    pruning.look_at_bodies,
    pruning.look_at_sent,
    pruning.look_at_people,
]


@pytest.mark.parametrize("look", LOOKS)
def test_a_round_reads_its_table_in_order_from_where_it_stands(
    sqlite_tx: Transaction,
    look: object,
) -> None:
    steps = plans(sqlite_tx, lambda tx: look(tx, 1, 2))  # type: ignore[operator]
    assert any("USING INTEGER PRIMARY KEY" in step or "(id>? AND id<?)" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_removing_looks_at_no_more_than_it_concerns(
    sqlite_tx: Transaction,
) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    other = colleague(sqlite_tx, "cy")
    first = post(sqlite_tx, bob)
    post(sqlite_tx, bob, reply_to=first)
    sent = send(sqlite_tx, ada, bob.uri, deliveries.To(named=(bob.id,)), kind="Follow")
    later(sqlite_tx, days=200)
    until = ids.first_at(sqlite_tx.now - timedelta(days=180))

    def remove(tx: Transaction) -> None:
        assert pruning.remove_posts(tx, [first.id], until) == (2, [])
        pruning.remove_arrivals(tx, [1])
        pruning.empty_bodies(tx, [1])
        pruning.remove_deliveries(tx, [sent])
        assert pruning.remove_people(tx, [other.id], until) == 1
        assert deliveries.expire(tx, tx.now) == 1
        rounds.by_name(tx, ["posts"])

    steps = plans(sqlite_tx, remove)
    assert any("MULTI-INDEX OR" in step for step in steps)
    assert [step for step in scans(steps) if step != "SCAN conversation"] == []


def test_what_goes_with_a_row_is_found_by_an_index_everywhere(sqlite_engine: Engine) -> None:
    """Else each row that goes would cost a walk through a whole table."""
    with sqlite_engine.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        for (table,) in tables.all():
            for key in connection.exec_driver_sql(f"PRAGMA foreign_key_list({table})").all():
                column = key[3]
                if key[2] == "peers":
                    continue  # these never go
                plan = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = ?", (1,)
                ).all()
                assert not any(step.detail.startswith("SCAN") for step in plan), (table, column)
