"""Polls: each person counts once, others' figures are theirs, nobody learns who chose what."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from storage import objects, polls, tables
from storage.actors import Actor
from storage.objects import Post
from storage.polls import Due, Poll
from storage.transaction import Transaction
from tests.storage.meeting import meet
from tests.storage.people import colleague, later, person, post

DAYS = [("Monday", 0), ("Tuesday", 0), ("Friday", 0)]


def ask(tx: Transaction, author: Actor, *, several: bool = False, hours: float | None = 24) -> Post:
    """A poll about a day, open for so many hours."""
    question = post(tx, author, content="<p>Which day?</p>")
    ends_at = None if hours is None else tx.now + timedelta(hours=hours)
    polls.keep(tx, question.id, several=several, ends_at=ends_at, voters=0, options=DAYS)
    return question


def poll_of(tx: Transaction, question: Post, reader: Actor | None = None) -> Poll:
    found = polls.of_post(tx, None if reader is None else reader.id, question.id)
    assert found is not None
    return found


def figures(tx: Transaction, question: Post) -> list[int]:
    return [option.votes for option in poll_of(tx, question).options]


def votes(tx: Transaction, question: Post, voter: Actor, position: int) -> bool:
    return polls.vote(tx, question.id, voter.id, position, f"{voter.uri}#votes/{position}")


def test_everyone_has_one_choice_and_sees_only_their_own(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    question = ask(tx, ada)
    assert votes(tx, question, bob, 1)
    assert votes(tx, question, ben, 1)
    assert not votes(tx, question, bob, 1)
    assert not votes(tx, question, bob, 0)
    assert not votes(tx, question, ada, 3)
    assert not votes(tx, question, ada, -1)
    assert figures(tx, question) == [0, 2, 0]
    found = poll_of(tx, question, ben)
    assert (found.voters, found.chosen) == (2, frozenset({1}))
    assert poll_of(tx, question, ada).chosen == frozenset()
    assert poll_of(tx, question).chosen == frozenset()
    assert [option.name for option in found.options] == ["Monday", "Tuesday", "Friday"]


def test_where_several_may_be_taken_each_counts_once_and_the_voter_once(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, ada, several=True)
    assert votes(tx, question, bob, 0)
    assert votes(tx, question, bob, 2)
    assert not votes(tx, question, bob, 2)
    assert figures(tx, question) == [1, 0, 1]
    found = poll_of(tx, question, bob)
    assert (found.voters, found.chosen) == (1, frozenset({0, 2}))


def test_after_the_end_nobody_votes(tx: Transaction) -> None:
    ada, bob, eve = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "eve")
    question, endless = ask(tx, ada), ask(tx, ada, hours=None)
    assert votes(tx, question, bob, 0)
    later(tx, hours=24)
    assert poll_of(tx, question).over(tx.now)
    assert not votes(tx, question, eve, 0)
    assert votes(tx, endless, eve, 0)
    polls.close(tx, [endless.id])
    assert poll_of(tx, endless).over(tx.now)
    assert not votes(tx, endless, bob, 0)
    assert not polls.vote(tx, post(tx, ada).id, bob.id, 0, None)


def test_figures_go_out_once_for_many_votes_and_at_the_end(tx: Transaction) -> None:
    ada, bob, eve = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "eve")
    question = ask(tx, ada, hours=1)
    assert not polls.any_due(tx)
    votes(tx, question, bob, 0)
    later(tx, minutes=2)
    votes(tx, question, eve, 1)
    assert polls.due(tx, 8) == []
    later(tx, minutes=1)
    assert polls.any_due(tx)
    assert polls.due(tx, 8) == [Due(question.id, over=False)]
    polls.told(tx, [question.id])
    assert polls.due(tx, 8) == []
    later(tx, hours=1)
    assert polls.due(tx, 8) == [Due(question.id, over=True)]
    polls.close(tx, [question.id])
    assert not polls.any_due(tx)
    assert poll_of(tx, question).ended_at == tx.now


def test_a_vote_in_the_last_minutes_waits_for_the_end_only(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, ada, hours=1)
    later(tx, minutes=59)
    votes(tx, question, bob, 0)
    later(tx, minutes=1)
    assert polls.due(tx, 8) == [Due(question.id, over=True)]


def test_due_polls_come_in_slices_the_oldest_first(tx: Transaction) -> None:
    ada = person(tx, "ada")
    asked = [ask(tx, ada, hours=hours).id for hours in (3, 1, 2)]
    later(tx, hours=4)
    assert [one.object_id for one in polls.due(tx, 2)] == [asked[1], asked[2]]


def test_the_figures_of_others_are_those_that_they_give(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, bob)
    assert votes(tx, question, ada, 0)
    assert figures(tx, question) == [1, 0, 0]
    told = [("Monday", 7), ("Tuesday", 1), ("Friday", 0)]
    ends_at = tx.now + timedelta(hours=24)
    polls.keep(tx, question.id, several=False, ends_at=ends_at, voters=8, options=told)
    assert figures(tx, question) == [7, 1, 0]
    found = poll_of(tx, question, ada)
    assert (found.voters, found.chosen) == (8, frozenset({0}))
    assert not votes(tx, question, ada, 1)


def test_where_the_choices_change_nobody_has_chosen(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, bob)
    votes(tx, question, ada, 0)
    polls.keep(tx, question.id, several=True, ends_at=None, voters=2, options=[("June", 2)])
    found = poll_of(tx, question, ada)
    assert [option.name for option in found.options] == ["June"]
    assert (found.several, found.ends_at, found.chosen) == (True, None, frozenset())
    assert votes(tx, question, ada, 0)


def test_our_voters_hear_of_the_end_of_a_poll_elsewhere(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    eve = colleague(tx, "eve", "hilltop.example")
    answered, ignored = ask(tx, bob), ask(tx, bob)
    votes(tx, answered, ada, 0)
    votes(tx, answered, eve, 0)
    later(tx, hours=25)
    assert polls.due(tx, 8) == [Due(answered.id, over=True)]
    assert polls.local_voters(tx, answered.id) == [ada.id]
    assert polls.local_voters(tx, ignored.id) == []


def test_a_poll_elsewhere_that_is_closed_early_is_due_at_once(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, bob)
    votes(tx, question, ada, 0)
    for _ in range(2):
        polls.keep(
            tx,
            question.id,
            several=False,
            ends_at=tx.now,
            ended_at=tx.now,
            voters=1,
            options=DAYS,
        )
    assert polls.due(tx, 8) == [Due(question.id, over=True)]
    polls.close(tx, [question.id])
    polls.keep(tx, question.id, several=False, ends_at=None, voters=1, options=DAYS)
    assert polls.due(tx, 8) == []
    assert poll_of(tx, question).over(tx.now)


def test_many_polls_are_read_together(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    first, plain, second = ask(tx, ada), post(tx, ada), ask(tx, bob, several=True)
    votes(tx, second, ada, 2)
    found = polls.of_posts(tx, ada.id, [first.id, plain.id, second.id, 7])
    assert set(found) == {first.id, second.id}
    assert (found[first.id].several, found[second.id].several) == (False, True)
    assert (found[first.id].chosen, found[second.id].chosen) == (frozenset(), frozenset({2}))
    assert polls.of_posts(tx, ada.id, []) == {}
    assert polls.of_post(tx, ada.id, plain.id) is None


def test_a_deleted_poll_leaves_no_trace_of_who_chose_what(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    question = ask(tx, ada)
    votes(tx, question, bob, 0)
    objects.bury(tx, question.id, {"type": "Tombstone"})
    for table in (tables.polls, tables.poll_options, tables.votes):
        assert tx.execute(select(table)).all() == []


# --- two processes of one school ------------------------------------------------------------------


@pytest.mark.parametrize(("several", "second"), [(False, 1), (False, 0), (True, 0)])
def test_two_votes_of_one_person_at_the_same_moment_count_once(
    fresh_postgresql: Callable[[], str], several: bool, second: int
) -> None:
    counted: list[bool] = []
    with meet(fresh_postgresql()) as meeting:
        one, other = meeting.one, meeting.other
        question, bob = ask(one, person(one, "ada"), several=several), colleague(one, "bob")
        one.connection.commit()
        assert votes(one, question, bob, 0)
        beside = meeting.start(lambda: counted.append(votes(other, question, bob, second)))
        assert counted == []
        one.connection.commit()
        beside.end()
        assert counted == [False]
        other.connection.commit()
        assert figures(one, question) == [1, 0, 0]
        assert poll_of(one, question).voters == 1


def test_one_process_tells_the_figures_that_are_due(fresh_postgresql: Callable[[], str]) -> None:
    with meet(fresh_postgresql()) as meeting:
        one, other = meeting.one, meeting.other
        question = ask(one, person(one, "ada"), hours=1)
        one.connection.commit()
        later(one, hours=2)
        later(other, hours=2)
        assert polls.due(one, 8) == [Due(question.id, over=True)]
        assert polls.due(other, 8) == []
