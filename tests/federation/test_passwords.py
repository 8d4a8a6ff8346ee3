"""Our people sign in with a password: what opens, what does not, and what ends it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import argon2
import pytest

from actors import accounts
from actors.accounts import BadPassword, TooManyAttempts
from actors.attempts import Turns
from actors.server import Server
from storage import accounts as account_rows
from storage import actors, sessions
from storage.database import Busy, Transaction
from tests.town import Person, Town, TownSchool

GOOD = "three ripple tanks"
HERE, THERE = "203.0.113.7", "198.51.100.1"


async def give(person: Person, password: str = GOOD) -> None:
    """That person has this password from now on."""
    server = person.school.server
    kept = await accounts.hashed(server, password, username=person.username)

    def change(tx: Transaction) -> None:
        actor = actors.by_uri(tx, person.uri)
        assert actor is not None
        accounts.set_password(tx, actor, kept)

    await person.school.write(change)


async def signed_in(server: Server, username: str = "lee", password: str = GOOD) -> str:
    secret = await accounts.sign_in(server, username, password, HERE)
    assert secret is not None
    return secret


@pytest.fixture
def fresh_database(fresh_sqlite: Callable[[], str]) -> Callable[[], str]:
    """One engine will do: what is asked of it stands in tests/storage, and hashing takes time."""
    return fresh_sqlite


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    """Lee, who has a password."""
    person = await oakfield.staff("lee", role="admin")
    await give(person)
    return person


async def test_the_right_password_begins_a_session_that_lasts_while_it_is_used(
    town: Town, lee: Person
) -> None:
    server = lee.school.server
    secret = await signed_in(server, " @Lee")
    another = await signed_in(server)
    assert len({secret, another}) == 2
    session = await accounts.session_of(server, secret)
    assert session is not None
    assert (session.actor.uri, session.role) == (lee.uri, "admin")

    for _ in range(8):
        town.clock.advance(days=11)
        assert await accounts.session_of(server, secret) is not None
    # Whoever never came back is signed out, and nobody stays in for ever.
    assert await accounts.session_of(server, another) is None
    town.clock.advance(days=2)
    assert await accounts.session_of(server, secret) is None


async def test_what_the_cookie_holds_is_not_kept(lee: Person) -> None:
    secret = await signed_in(lee.school.server)
    token = lee.token

    def everything(tx: Transaction) -> str:
        return "".join(
            str(row)
            for table in ("sessions", "tokens", "accounts")
            for row in tx.connection.exec_driver_sql(f"SELECT * FROM {table}")
        )

    kept = await lee.school.read(everything)
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in kept
    for word in (secret, token, GOOD):
        assert word not in kept


async def test_every_way_not_to_be_let_in_looks_the_same(oakfield: TownSchool, lee: Person) -> None:
    server = oakfield.server
    await oakfield.staff("newcomer")  # nobody gave her a password yet
    head = await oakfield.staff("head")
    await give(head)
    await oakfield.write(actors.update_local, head.id, state="suspended")
    tried = {
        "lee": "three ripple tankS",
        "nobody": GOOD,
        "newcomer": GOOD,
        "head": GOOD,
        "oakfield.example": GOOD,
        "lee\0": GOOD,
        "\ud800": GOOD,
    }
    for name, password in tried.items():
        assert await accounts.check_password(server, name, password, HERE) is None, name
    for password in ("", GOOD + "x" * 300, "\ud800" * 20):
        assert await accounts.check_password(server, "lee", password, f"{password!r}") is None

    # All of them wait for the same work: with no turn left none gets an answer.
    full = replace(server, turns=Turns(at_once=1, waiting=-1))
    for name in (*tried, "lee"):
        for _ in range(10):  # and what was not looked at is no attempt
            with pytest.raises(Busy):
                await accounts.sign_in(full, name, GOOD, THERE)
    work = argon2.extract_parameters(accounts._NOBODYS)
    kept = await oakfield.read(account_rows.of_actor, lee.id)
    assert kept is not None
    assert kept.password_hash is not None
    assert argon2.extract_parameters(kept.password_hash) == work


async def test_after_five_wrong_passwords_even_the_right_one_waits(town: Town, lee: Person) -> None:
    server = lee.school.server
    for name in ("lee", "nobody"):
        for _ in range(5):
            assert await accounts.sign_in(server, name, "wrong password 1", HERE) is None
        with pytest.raises(TooManyAttempts) as told:
            await accounts.sign_in(server, name, GOOD, HERE)
        assert told.value.wait == timedelta(minutes=15).total_seconds()
    assert await accounts.sign_in(server, "lee", GOOD, THERE)
    town.clock.advance(minutes=15)
    assert await accounts.sign_in(server, "lee", GOOD, HERE)


async def test_a_new_password_ends_every_session_and_token_but_the_one_it_was_set_in(
    lee: Person,
) -> None:
    server, oakfield = lee.school.server, lee.school
    here, there = await signed_in(server), await signed_in(server)
    kept = await accounts.hashed(server, "four ripple tanks", username="lee")
    actor = await oakfield.read(actors.by_id, lee.id)
    assert actor is not None

    await oakfield.write(accounts.set_password, actor, kept, keep=here)

    assert await accounts.session_of(server, here) is not None
    assert await accounts.session_of(server, there) is None
    assert (await oakfield.get(lee.uri, as_=lee)).status == 401
    assert await accounts.sign_in(server, "lee", GOOD, HERE) is None
    assert await accounts.sign_in(server, "lee", "four ripple tanks", HERE)
    await oakfield.write(accounts.set_password, actor, kept)
    assert await accounts.session_of(server, here) is None


async def test_a_password_that_changes_while_the_old_one_is_checked_lets_nobody_in(
    lee: Person,
) -> None:
    oakfield = lee.school
    old = await oakfield.read(account_rows.of_actor, lee.id)
    assert old is not None
    await give(lee, "four ripple tanks")
    assert await oakfield.write(accounts._begin_if_unchanged, old) is None
    assert await oakfield.read(sessions.of_actor, lee.id) == []


async def test_who_signs_out_is_out_and_so_is_a_copy_of_their_cookie(lee: Person) -> None:
    server, oakfield = lee.school.server, lee.school
    here, there, third = [await signed_in(server) for _ in range(3)]
    await oakfield.write(accounts.end_session, here)
    assert await accounts.session_of(server, here) is None
    session = await accounts.session_of(server, there)
    assert session is not None
    assert await oakfield.write(accounts.end_others, session.actor, there) == 1
    assert await accounts.session_of(server, third) is None
    assert await accounts.session_of(server, there) is not None
    for secret in ("", "x" * 5000, "é" * 20, "\ud800"):
        assert await accounts.session_of(server, secret) is None


async def test_a_suspended_person_is_out_at_once(lee: Person) -> None:
    server, oakfield = lee.school.server, lee.school
    secret = await signed_in(server)
    await oakfield.write(actors.update_local, lee.id, state="suspended")
    assert await accounts.session_of(server, secret) is None


async def test_a_hash_of_an_older_kind_is_made_anew_when_its_password_comes(
    lee: Person,
) -> None:
    server, oakfield = lee.school.server, lee.school
    older = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    await oakfield.write(account_rows.set_password, lee.id, older)
    assert await accounts.sign_in(server, "lee", GOOD, HERE)
    kept = await oakfield.read(account_rows.of_actor, lee.id)
    assert kept is not None
    assert kept.password_hash is not None
    assert kept.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await accounts.sign_in(server, "lee", GOOD, HERE)


async def test_a_password_may_be_any_words_but_not_the_first_that_others_would_try(
    oakfield: TownSchool,
) -> None:
    server = oakfield.server
    for password in (
        "short",
        "elevenchars",
        "x" * 201,
        "lee_okafor_b",
        "Lee_Okafor_B2026",
        "lee_okafor_b lee_okafor_b",
        "password1234",
        "PassWord1234",
        "12345678901234",
        "aaaabbbbccccdddd",
        "three\0ripple tanks",
        "three ripple \ud800 tanks",
    ):
        with pytest.raises(BadPassword):
            await accounts.hashed(server, password, username="lee_okafor_b")
    # What one keyboard writes in two signs and another in one is the same word.
    kept = await accounts.hashed(server, "caf\u00e9 \u00fcber alles", username="lee")
    lee = await oakfield.staff("lee")
    await oakfield.write(account_rows.set_password, lee.id, kept)
    typed = "cafe\u0301\u00a0u\u0308ber alles"
    assert await accounts.sign_in(server, "lee", typed, HERE)
