"""A conversation is read as far as one may see it, in order, and however strangers tie it."""

from sqlalchemy import Engine, update

from storage import objects, tables, threads
from storage.audience import NOBODY, Viewer
from storage.ids import Ids
from storage.objects import Post
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import colleague, follow, later, person, post
from tests.storage.test_plans import plans, scans


def answers(tx: Transaction, post_id: int, viewer: Viewer = NOBODY) -> list[tuple[int, str]]:
    """The answers below a post, each with how deep it stands."""
    return [
        (depth, answer.content) for depth, answer in threads.around(tx, viewer, post_id).replies
    ]


def above(tx: Transaction, post_id: int, viewer: Viewer = NOBODY) -> list[str]:
    return [one.content for one in threads.around(tx, viewer, post_id).ancestors]


def test_a_conversation_reads_from_its_beginning_and_each_answer_follows_what_it_answers(
    tx: Transaction,
) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    written: dict[str, Post] = {}
    # Not in the order in which they came to us: the first answer arrives last.
    for name, parent, minutes in (
        ("question", None, 0),
        ("second", "question", 20),
        ("to the second", "second", 25),
        ("third", "question", 30),
        ("deeper", "to the second", 40),
        ("first", "question", 10),
    ):
        began = tx.now
        later(tx, minutes=minutes)
        answered = None if parent is None else written[parent]
        written[name] = post(tx, ada if minutes % 20 else bob, content=name, reply_to=answered)
        tx.now = began
    assert answers(tx, written["question"].id) == [
        (1, "first"),
        (1, "second"),
        (2, "to the second"),
        (3, "deeper"),
        (1, "third"),
    ]
    assert above(tx, written["deeper"].id) == ["question", "second", "to the second"]
    assert answers(tx, written["third"].id) == []


def test_what_one_may_not_see_is_left_out_and_what_was_answered_to_it_moves_up(
    tx: Transaction,
) -> None:
    ada, bob, carol = person(tx, "ada"), person(tx, "bob"), person(tx, "carol")
    follow(tx, carol, bob)
    top = post(tx, ada, content="top")
    private = post(tx, bob, content="private", audience="followers", reply_to=top)
    open_again = post(tx, ada, content="open again", reply_to=private)
    last = post(tx, bob, content="last", reply_to=open_again)
    assert answers(tx, top.id) == [(1, "open again"), (2, "last")]
    assert above(tx, last.id) == ["top", "open again"]
    follower = Viewer(carol.id, True)
    assert answers(tx, top.id, follower) == [(1, "private"), (2, "open again"), (3, "last")]
    assert above(tx, last.id, follower) == ["top", "private", "open again"]
    objects.bury(tx, open_again.id, {"type": "Tombstone"})
    assert answers(tx, top.id) == [(1, "last")]
    assert above(tx, last.id, follower) == ["top", "private"]


def test_a_conversation_that_goes_in_a_circle_has_an_end(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    one = post(tx, bob, content="one")
    two = post(tx, bob, content="two", reply_to=one)
    three = post(tx, bob, content="three", reply_to=two)
    aside = post(tx, bob, content="aside", reply_to=three)
    alone = post(tx, bob, content="alone")
    table = tables.objects
    for who, whom in ((one, three), (alone, alone)):
        tx.execute(update(table).where(table.c.id == who.id).values(in_reply_to=whom.uri))
    assert above(tx, one.id) == ["two", "three"]
    assert answers(tx, one.id) == [(1, "two"), (2, "three"), (3, "aside")]
    assert above(tx, aside.id) == ["one", "two", "three"]
    assert threads.around(tx, NOBODY, alone.id) == threads.Thread([], [])
    assert threads.missing_above(tx, aside.id) is None


def test_of_an_endless_conversation_what_stands_nearest_is_shown(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    top = post(tx, bob, content="top")
    chain = [top]
    for _ in range(threads.DEEPEST + 20):
        chain.append(post(tx, bob, content="on and on", reply_to=chain[-1]))
    for _ in range(threads.REPLIES - 50):
        post(tx, bob, content="an answer", reply_to=top)
    shown = answers(tx, top.id)
    assert len(shown) == threads.REPLIES
    assert shown.count((1, "an answer")) == threads.REPLIES - 50
    assert max(depth for depth, _ in shown) == 50
    assert len(above(tx, chain[-1].id)) == threads.STEPS
    assert len(answers(tx, chain[5].id)) == threads.DEEPEST


def test_the_nearest_post_that_is_not_here_is_found_over_those_that_are(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    top, middle = post(tx, bob), post(tx, bob)
    last = post(tx, bob, reply_to=middle)
    table = tables.objects
    assert threads.missing_above(tx, last.id) is None
    for which, uri in ((middle, top.uri), (top, "https://hillside.example/notes/1")):
        tx.execute(update(table).where(table.c.id == which.id).values(in_reply_to=uri))
    assert threads.missing_above(tx, last.id) == "https://hillside.example/notes/1"
    assert threads.missing_above(tx, top.id) == "https://hillside.example/notes/1"


def test_a_conversation_is_walked_by_its_indexes(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as connection:
        tx = Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        first = post(tx, colleague(tx, "bob"))
        steps = plans(tx, lambda tx: threads.around(tx, NOBODY, first.id))
        steps += plans(tx, lambda tx: threads.missing_above(tx, first.id))
        connection.rollback()
    assert any("ix_objects_in_reply_to (in_reply_to=?)" in step for step in steps), steps
    walked = {"SCAN above", "SCAN below", "SCAN walked"}
    assert set(scans(steps)) <= walked, scans(steps)
