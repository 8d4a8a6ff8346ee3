"""What happens often goes by an index, however much a school has kept."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from pages import entries
from storage import (
    actors,
    arrivals,
    blocks,
    deliveries,
    follows,
    marks,
    notifications,
    objects,
    peers,
    polls,
    published,
    received,
    timelines,
)
from storage.audience import NOBODY, Viewer
from storage.ids import Ids
from storage.transaction import Transaction
from tests.conftest import OAKFIELD
from tests.storage.conftest import MORNING
from tests.storage.people import (
    activity,
    arrived,
    arriving,
    colleague,
    follow,
    person,
    post,
    project,
    send,
)


@pytest.fixture
def sqlite_tx(sqlite_engine: Engine) -> Iterator[Transaction]:
    with sqlite_engine.connect() as connection:
        running = connection.begin()
        yield Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        running.rollback()


def plans(tx: Transaction, ask: Callable[[Transaction], object]) -> list[str]:
    """The steps that SQLite takes for each statement of `ask`."""
    statements: list[tuple[str, Any]] = []

    def note(
        _connection: Connection, _cursor: Any, statement: str, values: Any, *_more: Any
    ) -> None:
        statements.append((statement, values))

    event.listen(tx.connection, "before_cursor_execute", note)
    ask(tx)
    event.remove(tx.connection, "before_cursor_execute", note)
    return [
        row.detail
        for statement, values in statements
        if not statement.startswith("INSERT INTO") or "SELECT" in statement
        for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    ]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table of the database."""
    small = ("candidate", "people", "sources", "found", "(", "CONSTANT")
    return [
        step
        for step in steps
        if step.startswith("SCAN ")
        and "USING INDEX" not in step
        and "USING COVERING INDEX" not in step
        and not step.removeprefix("SCAN ").startswith(small)
    ]


def test_home_is_read_from_its_index_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: timelines.home(tx, ada.id, before=7, limit=20))
    assert any("ix_timelines_reader (reader_id=? AND position<?)" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_who_blocks_whom_is_looked_up_in_its_index_for_each_post(sqlite_tx: Transaction) -> None:
    """Both ways, in whatever shows posts: beside the post's author, its announcer and sender."""
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    plan = post(sqlite_tx, bob)
    blocks.add(sqlite_tx, uri="urn:1", actor_id=ada.id, target_id=bob.id)
    for ask, who in (
        (lambda tx: timelines.home(tx, ada.id, before=7, limit=20), 2),
        (lambda tx: timelines.place(tx, plan.id, bob.id), 2),
        (lambda tx: arrivals.inbox(tx, ada.id, before=7, limit=20), 2),
        (lambda tx: notifications.recent(tx, ada.id, before=7, limit=20), 2),
        (lambda tx: notifications.unread(tx, ada.id), 2),
        (lambda tx: objects.by_author(tx, NOBODY, ada.id, before=7, limit=20), 1),
        (lambda tx: published.outbox(tx, NOBODY, ada.id, before=7, limit=20), 2),
        (lambda tx: objects.seen_by_uri(tx, NOBODY, plan.uri), 1),
    ):
        looks = [step for step in plans(sqlite_tx, ask) if " blocks" in step]
        assert len(looks) == 2 * who, looks
        for step in looks:
            assert "(actor_id=? AND target_id=?)" in step, step
            assert "sqlite_autoindex_blocks" in step or "uq_blocks" in step, step


def test_what_is_asked_on_every_page_goes_by_an_index(sqlite_tx: Transaction) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")

    def ask(tx: Transaction) -> None:
        notifications.unread(tx, ada.id)
        follows.count_requests(tx, ada.id)
        blocks.between(tx, ada.id, bob.id)
        blocks.apart(tx, ada.id, [bob.id])

    steps = plans(sqlite_tx, ask)
    assert any("ix_notifications_unread (owner_id=?)" in step for step in steps), steps
    assert any("ix_follows_followee (followee_id=? AND state=?)" in step for step in steps), steps
    assert scans(steps) == []


def test_an_inbox_is_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: arrivals.inbox(tx, ada.id, before=7, limit=20))
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_an_outbox_is_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: published.outbox(tx, NOBODY, ada.id, before=7, limit=20))
    assert any("ix_published_actor (actor_id=? AND id<?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_posts_of_an_author_and_answers_are_read_without_sorting(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, lambda tx: objects.by_author(tx, NOBODY, ada.id, before=7, limit=20))
    steps += plans(sqlite_tx, lambda tx: objects.replies(tx, NOBODY, "urn:1", before=7, limit=20))
    assert any("ix_objects_author" in step for step in steps), steps
    assert any("ix_objects_in_reply_to" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_rows_that_arrived_are_claimed_by_their_index(sqlite_tx: Transaction) -> None:
    received.add_all(sqlite_tx, [arriving(number) for number in range(3)])
    steps = plans(sqlite_tx, lambda tx: received.claim(tx, limit=2, lease=timedelta(minutes=1)))
    assert any("ix_received_new" in step for step in steps), steps
    assert any("ix_received_claimed (actor_uri=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_what_waits_for_a_peer_is_found_by_its_index(sqlite_tx: Transaction) -> None:
    steps = plans(sqlite_tx, lambda tx: deliveries.batch(tx, 1, 100))
    assert any("ix_deliveries_waiting (peer_id=?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_lanes_are_claimed_and_released_by_their_indexes(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    send(
        sqlite_tx,
        ada,
        post(sqlite_tx, ada),
        deliveries.To(named=(colleague(sqlite_tx, "bob").id,)),
    )

    def visit(tx: Transaction) -> None:
        (lane,) = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))
        deliveries.release(tx, lane.peer_id, outcome="success")

    steps = plans(sqlite_tx, visit)
    assert any("ix_peers_due (due_at>? AND due_at<?)" in step for step in steps), steps
    assert any("ix_deliveries_waiting" in step for step in steps), steps
    assert scans(steps) == []


def test_publishing_looks_at_no_more_than_it_concerns(sqlite_tx: Transaction) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    follow(sqlite_tx, bob, ada)
    written = post(sqlite_tx, ada)

    def publish(tx: Transaction) -> None:
        to = deliveries.To(
            followers_of=ada.id, named=(bob.id,), shared=(bob.id,), reached_by=written.uri
        )
        send(tx, ada, written, to, kind="Update")
        timelines.place(tx, written.id, ada.id)

    assert scans(plans(sqlite_tx, publish)) == []


def test_what_waits_of_an_edited_post_is_found_by_indexes(sqlite_tx: Transaction) -> None:
    uri = "https://oakfield.example/objects/1"

    def edit(tx: Transaction) -> None:
        published.unsent(tx, uri)
        deliveries.overtake(tx, 7, uri)

    steps = plans(sqlite_tx, edit)
    assert scans(steps) == []
    assert sum("ix_published_object (object_uri=?)" in step for step in steps) == 2
    assert not any("ix_deliveries_waiting" in step for step in steps), steps


def test_deleting_looks_at_no_more_than_it_concerns(sqlite_tx: Transaction) -> None:
    written = post(sqlite_tx, person(sqlite_tx, "ada"))
    steps = plans(sqlite_tx, lambda tx: objects.bury(tx, written.id, {"type": "Tombstone"}))
    assert scans(steps) == []


def test_clearing_away_who_is_gone_looks_at_no_more_than_it_concerns(
    sqlite_tx: Transaction,
) -> None:
    bob, ada = colleague(sqlite_tx, "bob"), person(sqlite_tx, "ada")
    post(sqlite_tx, bob)
    activity(sqlite_tx, ada, post(sqlite_tx, ada))
    for gone in (bob, ada):
        steps = plans(sqlite_tx, lambda tx, actor_id=gone.id: actors.bury(tx, actor_id))  # type: ignore[misc]
        # The list of who is being cleared away is short.
        assert [step for step in scans(steps) if step != "SCAN burials"] == []


def test_polls_are_found_when_they_are_due_and_read_by_their_post(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    steps = plans(sqlite_tx, polls.any_due) + plans(sqlite_tx, lambda tx: polls.due(tx, 8))
    assert all("ix_polls_due (due_at<?)" in step for step in steps if "polls" in step), steps
    asked = post(sqlite_tx, ada)
    polls.keep(sqlite_tx, asked.id, several=True, ends_at=None, voters=0, options=[("Monday", 0)])
    steps += plans(sqlite_tx, lambda tx: polls.of_posts(tx, ada.id, [asked.id]))
    steps += plans(sqlite_tx, lambda tx: polls.vote(tx, asked.id, ada.id, 0, None))
    assert not any("TEMP B-TREE" in step for step in steps), steps
    assert scans(steps) == []


def test_everybody_whom_a_page_of_posts_mentions_is_found_at_once_by_indexes(
    sqlite_tx: Transaction,
) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    named = (bob, colleague(sqlite_tx, "ben"))
    written = []
    for who in named:
        said = post(sqlite_tx, ada, content=f'<a href="{who.uri}">{who.handle}</a>')
        tags = {"tag": [{"type": "Mention", "href": who.uri}]}
        written.append(replace(said, document=json.dumps(tags)))

    def ask(tx: Transaction) -> None:
        for who, shown in zip(named, entries.of(tx, ada, written), strict=True):
            assert f'href="/{who.handle}"' in shown.html

    steps = plans(sqlite_tx, ask)
    looks = [step for step in steps if " others " in step]
    assert len(looks) == 1, steps
    assert "ix_actors_handle" in looks[0], looks
    assert scans(steps) == []


def test_who_is_in_a_project_is_looked_up_in_its_index_for_each_post(
    sqlite_tx: Transaction,
) -> None:
    ada, bob = person(sqlite_tx, "ada"), colleague(sqlite_tx, "bob")
    group = project(sqlite_tx, "garden", ada, bob, private=True)
    said = post(sqlite_tx, bob, audience="project", project=group)

    def publish(tx: Transaction) -> None:
        to = deliveries.To(
            followers_of=group.id, members_of=group.id, named=(bob.id,), reached_by=said.uri
        )
        send(tx, group, said, to, kind="Announce", project=group)
        timelines.place(tx, said.id, bob.id, announced_by=group.id)
        row = arrived(tx, arriving(1))
        arrivals.note(tx, row, owners=[], followers_of=None, everyone=False, members_of=group.id)

    def read(tx: Transaction) -> None:
        viewer = Viewer(ada.id, True)
        timelines.home(tx, ada.id, before=7, limit=20)
        arrivals.inbox(tx, ada.id, before=7, limit=20)
        notifications.recent(tx, ada.id, before=7, limit=20)
        published.outbox(tx, viewer, group.id, before=7, limit=20)
        objects.of_project(tx, viewer, group.id, before=7, limit=20)
        follows.followers(tx, ada.id, before=7, limit=20)

    for ask in (publish, read):
        steps = plans(sqlite_tx, ask)
        assert scans(steps) == []
        looks = [step for step in steps if " memberships" in step or " projects" in step]
        assert looks
        for step in looks:
            known = (
                "uq_memberships_now (project_id=? AND actor_id=?)",
                "ix_memberships_project (project_id=? AND state=?)",
                "projects_1 (actor_id=?)",
            )
            assert any(index in step for index in known), step
    assert any("ix_objects_project (project_id=? AND id<?)" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


def test_what_waits_for_a_school_is_found_by_its_index_when_that_is_heard(
    sqlite_tx: Transaction,
) -> None:
    received.add_all(sqlite_tx, [arriving(number) for number in range(3)])
    for row in received.claim(sqlite_tx, limit=3, lease=timedelta(minutes=1)):
        received.again(
            sqlite_tx, row.id, due_at=sqlite_tx.now, reason="away", waits_for="hill.example"
        )
    steps = plans(sqlite_tx, lambda tx: peers.heard(tx, "hill.example"))
    assert sum("ix_received_waits_for (waits_for=?)" in step for step in steps) == 2, steps
    assert scans(steps) == []


def test_what_stands_below_posts_is_counted_by_indexes(sqlite_tx: Transaction) -> None:
    ada = person(sqlite_tx, "ada")
    written = [post(sqlite_tx, ada).id for _ in range(3)]
    steps = plans(sqlite_tx, lambda tx: marks.of_posts(tx, ada.id, written))
    assert any("ix_objects_in_reply_to" in step for step in steps), steps
    assert scans(steps) == []
