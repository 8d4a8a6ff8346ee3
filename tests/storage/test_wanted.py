"""Posts that are still to be had: few per cause, fairly by server, and not asked for twice."""

from datetime import timedelta

from sqlalchemy import Engine

from storage import wanted
from storage.ids import Ids
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import later
from tests.storage.test_plans import plans, scans

CAUSE = "https://riverside.example/activities/1"
LEASE = timedelta(minutes=5)


def want(tx: Transaction, number: int, host: str = "hillside.example", **how: object) -> bool:
    """Point at a note of that host; each time for a cause of its own."""
    cause = str(how.get("cause", f"https://riverside.example/activities/{number}/{host}"))
    return wanted.add(
        tx,
        uri=f"https://{host}/notes/{number}",
        cause_uri=cause,
        host=host,
        depth=1,
        after=timedelta(minutes=5),
    )


def claimed(tx: Transaction, limit: int = 10, share: int = 3) -> list[str]:
    rows = wanted.claim(tx, limit=limit, share=share, lease=LEASE)
    return [row.uri.removeprefix("https://") for row in rows]


def test_one_cause_leads_to_twenty_posts_and_no_more(tx: Transaction) -> None:
    assert [want(tx, number, cause=CAUSE) for number in range(25)] == [True] * 20 + [False] * 5
    had = 0
    while rows := wanted.claim(tx, limit=99, share=99, lease=LEASE):
        (row,) = rows  # one at a time, so that it is known what the others cost
        wanted.ended(tx, row, {row.host: 1})
        had += 1
    assert had == 20
    assert not want(tx, 99, cause=CAUSE)  # what was had counts as well
    assert want(tx, 99)
    assert wanted.spent(tx, CAUSE) == {"hillside.example": 20}


def test_however_much_waits_for_one_server_the_others_get_their_turn(tx: Transaction) -> None:
    for number in range(60):
        want(tx, number, "village.example")
    for number, host in enumerate(("hillside.example", "hillside.example", "quiet.example")):
        want(tx, number, host)
    hosts = [uri.partition("/")[0] for uri in claimed(tx)]
    assert sorted(hosts) == 2 * ["hillside.example"] + ["quiet.example"] + 3 * ["village.example"]
    assert len(claimed(tx, share=1)) == 1
    rows = wanted.claim(tx, limit=10, share=3, lease=LEASE, but=["village.example"])
    assert rows == []


def test_what_may_wait_for_one_server_has_an_end(tx: Transaction) -> None:
    asked = [want(tx, number) for number in range(wanted.PER_HOST + 5)]
    assert asked.count(True) == wanted.waiting(tx) == wanted.PER_HOST
    assert want(tx, 1, "quiet.example")


def test_what_was_asked_for_is_asked_for_again_only_later_and_never_while_it_is_asked(
    tx: Transaction,
) -> None:
    assert want(tx, 1)
    assert not want(tx, 1, cause=CAUSE)
    (row,) = wanted.claim(tx, limit=1, share=1, lease=LEASE)
    wanted.ended(tx, row, {row.host: 2})
    later(tx, minutes=4)
    assert not want(tx, 1, cause=CAUSE)
    later(tx, minutes=1)
    assert want(tx, 1, cause=CAUSE)
    (row,) = wanted.claim(tx, limit=1, share=1, lease=timedelta(hours=1))
    assert (row.cause_uri, row.tries) == (CAUSE, 0)
    assert wanted.spent(tx, CAUSE) == {}
    later(tx, minutes=30)
    assert not want(tx, 1)
    later(tx, minutes=31)  # whoever had it is gone
    assert want(tx, 1)


def test_a_row_comes_back_when_it_is_due_or_given_back_or_its_claim_ends(tx: Transaction) -> None:
    assert want(tx, 1)
    assert claimed(tx) == ["hillside.example/notes/1"]
    assert claimed(tx) == []
    wanted.release(tx, ["https://hillside.example/notes/1"])
    assert claimed(tx) == ["hillside.example/notes/1"]
    later(tx, minutes=6)
    for tries in range(2):
        (row,) = wanted.claim(tx, limit=1, share=1, lease=LEASE)
        assert row.tries == tries
        asked = {row.host: 1, "village.example": 2}
        wanted.ended(tx, row, asked, tx.now + timedelta(minutes=10))
        assert claimed(tx) == []
        later(tx, minutes=10)
    assert wanted.spent(tx, row.cause_uri) == {"hillside.example": 2, "village.example": 4}
    wanted.forget(tx, row.uri)
    assert want(tx, 1)
    assert wanted.waiting(tx) == 1


def test_what_was_wanted_long_ago_is_forgotten_in_slices(tx: Transaction) -> None:
    for number in range(5):
        want(tx, number)
    later(tx, days=5)
    want(tx, 9)
    before = tx.now - timedelta(days=4)
    assert [wanted.prune(tx, before, 3) for _ in range(3)] == [3, 2, 0]
    assert wanted.waiting(tx) == 1


def test_what_is_wanted_is_noted_and_claimed_by_its_indexes(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        tx = Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        steps = plans(tx, lambda tx: want(tx, 1))
        steps += plans(tx, lambda tx: claimed(tx))
        steps += plans(tx, lambda tx: wanted.spent(tx, CAUSE))
        steps += plans(tx, lambda tx: wanted.prune(tx, tx.now, 9))
        connection.rollback()
    for index in ("ix_wanted_due", "ix_wanted_cause", "ix_wanted_host", "ix_wanted_created_at"):
        assert any(index in step for step in steps), (index, steps)
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert set(scans(steps)) <= {"SCAN waiting"}
