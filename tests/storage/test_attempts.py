"""Somebody tries passwords: a few for the forgetful, never enough to guess one, whichever of the
school's processes they ask.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select

from actors import attempts
from actors.attempts import TooManyAttempts
from storage import attempts as rows
from storage import tables
from storage.database import Database, Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING

HOME, CAFE = "203.0.113.7", "198.51.100.1"


def at(tx: Transaction, **time: float) -> Transaction:
    """The same transaction, so long after that morning."""
    tx.now = MORNING + timedelta(**time)
    return tx


def guess(tx: Transaction, name: str = "lee", network: str = CAFE) -> datetime:
    return attempts.begin(tx, name, network)


def succeed(tx: Transaction, name: str = "lee", network: str = CAFE) -> None:
    attempts.succeeded(tx, name, network, attempts.begin(tx, name, network))


def wait(tx: Transaction, name: str = "lee", network: str = CAFE) -> float:
    """How long that person has to wait there; it is not counted as an attempt."""
    try:
        began = attempts.begin(tx, name, network)
    except TooManyAttempts as error:
        return error.wait
    attempts.never_was(tx, name, network, began)
    return 0.0


def test_after_five_wrong_passwords_one_waits_until_the_first_is_a_quarter_of_an_hour_old(
    tx: Transaction,
) -> None:
    for minute in range(5):
        guess(at(tx, minutes=minute))
    assert wait(at(tx, minutes=5)) == timedelta(minutes=10).total_seconds()
    # To ask again in vain does not make it longer.
    assert wait(at(tx, minutes=14)) == 60.0
    assert wait(at(tx, minutes=15)) == 0.0


def test_a_colleague_and_another_place_are_not_kept_waiting(tx: Transaction) -> None:
    for _ in range(5):
        guess(tx)
    assert wait(tx) > 0
    assert wait(tx, name="ana") == 0.0
    assert wait(tx, network=HOME) == 0.0


def test_the_right_password_makes_wrong_ones_forgotten_and_does_not_count_itself(
    tx: Transaction,
) -> None:
    for minute in range(4):
        guess(at(tx, minutes=minute))
    succeed(at(tx, minutes=5))
    assert wait(at(tx, minutes=6)) == 0.0
    # A whole staff room behind one address signs in on the first morning of term.
    for number in range(60):
        succeed(at(tx, minutes=7), name=f"teacher{number}")


def test_fifty_guesses_an_hour_from_everywhere_close_an_account_but_not_for_its_owner(
    tx: Transaction,
) -> None:
    succeed(tx, network=HOME)
    for number in range(50):
        guess(at(tx, seconds=number), network=f"198.51.100.{number}")
    assert wait(at(tx, minutes=1), network="192.0.2.1") > 0
    assert wait(tx, network=HOME) == 0.0
    # Five there are five nevertheless.
    for _ in range(5):
        guess(at(tx, minutes=2), network=HOME)
    assert wait(tx, network=HOME) > 0
    assert wait(at(tx, minutes=63), network="192.0.2.1") == 0.0


def test_thirty_guesses_from_one_network_end_them_whoever_they_are_about(tx: Transaction) -> None:
    for number in range(30):
        guess(tx, name=f"teacher{number}")
    assert wait(tx, name="lee") > 0
    assert wait(tx, name="lee", network=HOME) == 0.0


def test_what_is_over_is_forgotten_and_nothing_that_is_not(tx: Transaction) -> None:
    succeed(tx, name="ana", network=HOME)
    for _ in range(5):
        guess(tx)
    at(tx, minutes=14)
    rows.prune(tx, 100)
    assert wait(tx) > 0
    at(tx, minutes=61)
    while rows.prune(tx, 2):
        pass
    kept = select(func.count()).select_from(tables.attempts)
    assert tx.execute(kept).scalar_one() == 1  # that Ana works at home
    at(tx, days=31)
    assert rows.prune(tx, 2) == 1


def test_a_clock_that_is_set_back_keeps_nobody_out(tx: Transaction) -> None:
    for _ in range(5):
        guess(at(tx, days=3))
    assert wait(at(tx, days=0)) == 0.0


def test_who_tried_and_where_is_not_kept(tx: Transaction) -> None:
    guess(tx)
    succeed(tx)
    kept = " ".join(str(row) for row in tx.execute(select(tables.attempts)))
    assert "lee" not in kept
    assert CAFE not in kept


async def test_many_guesses_at_once_and_at_several_processes_are_no_way_round(
    fresh_postgresql: Callable[[], str],
) -> None:
    url = fresh_postgresql()
    processes = [await Database.open(url, OAKFIELD) for _ in range(2)]
    tried = await asyncio.gather(
        *(process.write(guess) for process in processes for _ in range(8)), return_exceptions=True
    )
    for process in processes:
        await process.close()
    assert sum(isinstance(one, TooManyAttempts) for one in tried) == 11
    assert sum(isinstance(one, datetime) for one in tried) == 5
