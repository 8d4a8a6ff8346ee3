"""What one thing that arrived may cost, and how many new names of servers an hour."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from actors import budget
from actors.budget import Budget, Newcomers, Overspent
from federation.errors import Unreachable

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


def afford(account: Budget, host: str, times: int) -> int:
    """How many of so many requests to a host may be made."""
    made = 0
    for _ in range(times):
        try:
            account.spend(host)
        except Overspent:
            continue
        made += 1
    return made


def test_a_third_server_is_asked_five_times_and_all_together_ten() -> None:
    account = Budget("riverside.example")
    assert afford(account, "hillside.example", 9) == 5
    assert afford(account, "village.example", 3) == 3
    assert afford(account, "riverside.example", 9) == 2
    assert account.asked.total() == 10


def test_the_server_it_came_from_is_asked_as_often_as_all_together() -> None:
    assert afford(Budget("riverside.example"), "riverside.example", 20) == 10


def test_what_the_cause_has_cost_before_counts() -> None:
    before = {"hillside.example": 3, "riverside.example": 40}
    account = Budget("riverside.example", before)
    assert afford(account, "hillside.example", 9) == 2
    assert afford(account, "riverside.example", 3) == 3
    assert account.asked == {"hillside.example": 2, "riverside.example": 3}


async def test_an_account_is_that_of_whatever_is_awaited_inside_and_of_nothing_else() -> None:
    account, other = Budget("riverside.example"), Budget("hillside.example")

    async def ask(times: int) -> None:
        for _ in range(times):
            budget.spend("village.example")
            await asyncio.sleep(0)

    async def at_work(on: Budget, times: int) -> None:
        with budget.spending(on):
            await asyncio.create_task(ask(times))

    await asyncio.gather(at_work(account, 3), at_work(other, 5), ask(20))
    assert (account.asked.total(), other.asked.total()) == (3, 5)
    budget.spend("village.example")
    assert (account.asked.total(), other.asked.total()) == (3, 5)


def test_of_one_domain_ten_new_servers_are_met_in_an_hour() -> None:
    newcomers = Newcomers()
    for number in range(budget.NEW_HOSTS):
        newcomers.meet(f"n{number}.trust.example", MORNING + timedelta(minutes=number))
    noon = MORNING + timedelta(minutes=20)
    newcomers.meet("n3.trust.example", noon)  # the same again is nothing new
    with pytest.raises(Unreachable) as refused:
        newcomers.meet("n99.trust.example:8443", noon)
    assert refused.value.retry_after == 40 * 60
    newcomers.meet("oakfield.kent.sch.uk", noon)
    newcomers.meet("riverside.kent.sch.uk", noon)  # another owner's, and so are all those
    newcomers.meet("n99.trust.example:8443", MORNING + timedelta(minutes=60))


def test_what_is_remembered_of_strangers_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "DOMAINS", 3)
    newcomers = Newcomers()
    for number in range(10):
        newcomers.meet("www.trust.example", MORNING)
        newcomers.meet(f"www.school{number}.example", MORNING)
    assert len(newcomers._met) == 3
    assert "trust.example" in newcomers._met
