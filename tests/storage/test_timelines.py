"""What each of our people reads at home."""

from sqlalchemy import select

from storage import actors, follows, objects, tables, timelines
from storage.actors import Actor
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person, post


def at_home(tx: Transaction, reader: Actor) -> list[Post]:
    return [row.post for row in timelines.home(tx, reader.id, before=None, limit=20)]


def test_a_post_reaches_who_follows_its_author_and_the_author(tx: Transaction) -> None:
    ada, ben, cy, bob = (
        person(tx, "ada"),
        person(tx, "ben"),
        person(tx, "cy"),
        colleague(tx, "bob"),
    )
    follow(tx, ben, ada)
    follow(tx, bob, ada)
    follow(tx, cy, ada, accepted=False)
    plan = post(tx, ada)
    timelines.place(tx, plan.id, ada.id)
    assert at_home(tx, ada) == at_home(tx, ben) == [plan]
    assert at_home(tx, cy) == []
    rows = tx.execute(select(tables.timelines.c.reader_id)).scalars()
    assert set(rows) == {ada.id, ben.id}


def test_a_post_from_elsewhere_reaches_who_follows_its_author_here(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    follow(tx, ada, bob)
    plan = post(tx, bob, audience="followers")
    timelines.place(tx, plan.id, bob.id)
    (row,) = timelines.home(tx, ada.id, before=None, limit=20)
    assert (row.post, row.author, row.announced_by) == (plan, bob, None)
    assert at_home(tx, ben) == []


def test_a_direct_post_is_at_home_only_with_named_readers_who_follow(tx: Transaction) -> None:
    ada, ben, cy, bob = (
        person(tx, "ada"),
        person(tx, "ben"),
        person(tx, "cy"),
        colleague(tx, "bob"),
    )
    follow(tx, ada, bob)
    follow(tx, cy, bob)
    note = post(tx, bob, audience="direct", to=[ada, ben])
    timelines.place(tx, note.id, bob.id)
    assert at_home(tx, ada) == [note]
    assert at_home(tx, ben) == []
    assert at_home(tx, cy) == []


def test_a_post_passed_on_reaches_the_announcer_s_followers_once(tx: Transaction) -> None:
    ada, ben, bob, cy = (
        person(tx, "ada"),
        person(tx, "ben"),
        colleague(tx, "bob"),
        colleague(tx, "cy"),
    )
    follow(tx, ada, bob)
    follow(tx, ada, cy)
    follow(tx, ben, cy)
    plan = post(tx, bob)
    timelines.place(tx, plan.id, bob.id)
    timelines.place(tx, plan.id, bob.id, announced_by=cy.id)
    (of_ada,) = timelines.home(tx, ada.id, before=None, limit=20)
    assert of_ada.announced_by is None
    (of_ben,) = timelines.home(tx, ben.id, before=None, limit=20)
    assert (of_ben.post, of_ben.author, of_ben.announced_by) == (plan, bob, cy)


def test_a_followers_only_post_passed_on_reaches_only_the_author_s_followers(
    tx: Transaction,
) -> None:
    ada, ben, bob, cy = (
        person(tx, "ada"),
        person(tx, "ben"),
        colleague(tx, "bob"),
        colleague(tx, "cy"),
    )
    follow(tx, ada, cy)
    follow(tx, ben, cy)
    follow(tx, ben, bob)
    private = post(tx, bob, audience="followers")
    timelines.place(tx, private.id, bob.id, announced_by=cy.id)
    assert at_home(tx, ada) == []
    assert at_home(tx, ben) == [private]


def test_what_a_reader_may_not_see_any_more_leaves_home(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    private = post(tx, bob, audience="followers")
    timelines.place(tx, private.id, bob.id)
    assert at_home(tx, ada) == [private]
    follows.remove(tx, ada.id, bob.id)
    assert at_home(tx, ada) == []


def test_the_boosts_of_who_was_suspended_leave_home(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    follow(tx, ada, ben)
    plan = post(tx, bob)
    timelines.place(tx, plan.id, bob.id, announced_by=ben.id)
    assert at_home(tx, ada) == [plan]
    actors.update_local(tx, ben.id, state="suspended")
    assert at_home(tx, ada) == []


def test_a_suspended_reader_and_a_deleted_post_get_no_row(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    follow(tx, ada, bob)
    follow(tx, ben, bob)
    actors.update_local(tx, ben.id, state="suspended")
    plan, gone = post(tx, bob), post(tx, bob)
    objects.bury(tx, gone.id, {"type": "Tombstone"})
    timelines.place(tx, plan.id, bob.id)
    timelines.place(tx, gone.id, bob.id)
    rows = tx.execute(select(tables.timelines.c.reader_id, tables.timelines.c.object_id)).all()
    assert [tuple(row) for row in rows] == [(ada.id, plan.id)]


def test_home_is_read_in_pages_newest_first(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    written = [post(tx, bob) for _ in range(5)]
    for plan in written:
        timelines.place(tx, plan.id, bob.id)
    first = timelines.home(tx, ada.id, before=None, limit=2)
    second = timelines.home(tx, ada.id, before=first[-1].position, limit=80)
    assert [row.post for row in first + second] == written[::-1]
