"""Somebody tries passwords: a few for the forgetful, never enough to guess one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from actors import attempts
from actors.attempts import Attempts, TooManyAttempts, Turns
from storage.database import Busy

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
HOME, CAFE = "203.0.113.7", "198.51.100.1"


def after(**time: float) -> datetime:
    return MORNING + timedelta(**time)


def guess(tried: Attempts, name: str = "lee", network: str = CAFE, now: datetime = MORNING) -> None:
    tried.begin(name, network, now, ours=True)


def wait(tried: Attempts, name: str = "lee", network: str = CAFE, now: datetime = MORNING) -> float:
    """How long that person has to wait there; it is not counted as an attempt."""
    try:
        tried.begin(name, network, now, ours=True)
    except TooManyAttempts as error:
        return error.wait
    tried.never_was(name, network, now, ours=True)
    return 0.0


def test_after_five_wrong_passwords_one_waits_until_the_first_is_a_quarter_of_an_hour_old() -> None:
    tried = Attempts()
    for minute in range(5):
        guess(tried, now=after(minutes=minute))
    assert wait(tried, now=after(minutes=5)) == timedelta(minutes=10).total_seconds()
    # To ask again in vain does not make it longer.
    assert wait(tried, now=after(minutes=14)) == 60.0
    assert wait(tried, now=after(minutes=15)) == 0.0


def test_a_colleague_and_another_place_are_not_kept_waiting() -> None:
    tried = Attempts()
    for _ in range(5):
        guess(tried)
    assert wait(tried) > 0
    assert wait(tried, name="ana") == 0.0
    assert wait(tried, network=HOME) == 0.0


def test_many_guesses_at_once_are_no_way_round() -> None:
    tried = Attempts()
    for _ in range(5):
        guess(tried)  # none of them is answered yet
    with pytest.raises(TooManyAttempts):
        guess(tried)


def test_the_right_password_makes_wrong_ones_forgotten_and_does_not_count_itself() -> None:
    tried = Attempts()
    for minute in range(4):
        guess(tried, now=after(minutes=minute))
    guess(tried, now=after(minutes=5))
    tried.succeeded("lee", CAFE, after(minutes=5), after(minutes=5))
    assert wait(tried, now=after(minutes=6)) == 0.0
    # A whole staff room behind one address signs in on the first morning of term.
    for number in range(60):
        guess(tried, name=f"teacher{number}", now=after(minutes=7))
        tried.succeeded(f"teacher{number}", CAFE, after(minutes=7), after(minutes=7))


def test_fifty_guesses_an_hour_from_everywhere_close_an_account_but_not_for_its_owner() -> None:
    tried = Attempts()
    guess(tried, network=HOME)
    tried.succeeded("lee", HOME, MORNING, MORNING)
    for number in range(50):
        guess(tried, network=f"198.51.100.{number}", now=after(seconds=number))
    assert wait(tried, network="192.0.2.1", now=after(minutes=1)) > 0
    assert wait(tried, network=HOME, now=after(minutes=1)) == 0.0
    # Five there are five nevertheless.
    for _ in range(5):
        guess(tried, network=HOME, now=after(minutes=2))
    assert wait(tried, network=HOME, now=after(minutes=2)) > 0
    assert wait(tried, network="192.0.2.1", now=after(minutes=61)) == 0.0


def test_thirty_guesses_from_one_network_end_them_whoever_they_are_about() -> None:
    tried = Attempts()
    for number in range(30):
        guess(tried, name=f"teacher{number}")
    assert wait(tried, name="lee") > 0
    assert wait(tried, name="lee", network=HOME) == 0.0


def test_a_name_that_nobody_has_is_counted_like_any_other() -> None:
    tried = Attempts()
    for _ in range(5):
        tried.begin("nobody", CAFE, MORNING, ours=False)
    with pytest.raises(TooManyAttempts):
        tried.begin("nobody", CAFE, MORNING, ours=False)


def test_inventing_names_does_not_make_us_forget_what_was_tried_with_a_real_one() -> None:
    tried = Attempts()
    for number in range(50):
        guess(tried, network=f"198.51.100.{number}")
    for number in range(attempts.REMEMBERED + 1):
        tried.begin(f"nobody{number}", f"network {number}", MORNING, ours=False)
    assert wait(tried, network="192.0.2.1") > 0


def test_what_is_remembered_has_a_bound() -> None:
    tally = attempts.Tally(attempts.PAIR, limit=3)
    for name in ("a", "b", "c", "d"):
        for _ in range(5):
            tally.note(name, MORNING)
    assert [tally.wait(name, MORNING) > 0 for name in ("a", "b", "c", "d")] == [
        False, True, True, True,
    ]  # fmt: skip


async def test_two_passwords_are_checked_at_once_a_few_wait_and_the_rest_comes_later() -> None:
    turns, inside = Turns(at_once=2, waiting=1), 0
    most = 0
    let_go = asyncio.Event()

    async def check() -> None:
        nonlocal inside, most
        async with turns.mine():
            inside += 1
            most = max(most, inside)
            await let_go.wait()
            inside -= 1

    checks = [asyncio.create_task(check()) for _ in range(4)]
    # The one there is no place for is told so at once.
    await asyncio.wait(checks, return_when=asyncio.FIRST_COMPLETED)
    assert inside == 2
    let_go.set()
    answers = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [Busy]
    assert most == 2
    await check()
