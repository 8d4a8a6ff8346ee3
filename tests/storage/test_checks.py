"""What `staffroom fsck` finds: nothing in a sound school, and each kind of damage by its name."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement, Table, delete, func, insert, literal, select, text, update

from storage import (
    accounts,
    announces,
    arrivals,
    blocks,
    checks,
    follows,
    invariants,
    likes,
    memberships,
    moves,
    notifications,
    objects,
    peers,
    polls,
    received,
    school,
    sql,
    tables,
    timelines,
    wanted,
)
from storage.actors import Actor
from storage.received import Incoming
from storage.transaction import Transaction
from tests.storage.people import arriving, colleague, post, project
from tests.storage.teachers import does, says, teacher

Damage = Callable[[Transaction], object]

BOB = "https://riverside.example/users/bob"
ASKS = f"{BOB}/activities/follow"


@pytest.fixture
def oakfield(tx: Transaction) -> Transaction:
    """A school in which a bit of everything happened, and all of it in good order."""
    school.create(tx, tx.school.host, tx.school.url, tx.school.name)
    alice, head = teacher(tx, "alice"), teacher(tx, "head")
    for member in (alice, head):
        accounts.add(tx, member.id, "staff", None)
    peers.set_policy(tx, "riverside.example", "allowed")
    bob = colleague(tx, "bob")
    _happened(tx, arriving("follow", about=alice.uri, kind="Follow"))
    follows.request(tx, bob.id, alice.id, ASKS)
    follows.accept(tx, bob.id, alice.id)
    _conversation(tx, alice, bob)
    _poll(tx, alice, head)
    club = project(tx, "robots", alice, host="riverside.example")
    memberships.invite(tx, club.id, head.id, "editor", f"{club.uri}/invites/1")
    moves.begin(tx, head.id, "in", bob.id, due_at=tx.now)
    wanted.add(
        tx,
        uri=f"{BOB}/notes/0",
        cause_uri=ASKS,
        host="riverside.example",
        depth=1,
        after=timedelta(days=1),
    )
    return tx


def _happened(tx: Transaction, one: Incoming) -> int:
    """It came to the shared inbox and had its effect; the id of its row."""
    assert received.came_inside(tx, one)
    (row,) = tx.execute(select(tables.received.c.id).where(tables.received.c.uri == one.uri))
    return int(row[0])


def _conversation(tx: Transaction, alice: Actor, bob: Actor) -> None:
    """Alice writes, and Bob answers, likes it, passes it on and is blocked by somebody."""
    said = objects.by_uri(tx, says(tx, alice)["id"])
    assert said is not None
    answer = post(tx, bob, to=[alice], reply_to=said)
    row = _happened(tx, arriving("answer", about=answer.uri))
    arrivals.note(tx, row, owners=[alice.id], followers_of=None, everyone=False)
    timelines.place(tx, said.id, alice.id)
    follows.request(tx, alice.id, bob.id, does(tx, alice, type="Follow", object=bob.uri))
    follows.accept(tx, alice.id, bob.id)
    timelines.place(tx, answer.id, bob.id)
    notifications.add(tx, owner_id=alice.id, kind="reply", actor_id=bob.id, object_id=answer.id)
    liked, passed_on, blocked = (
        arriving(number, about=said.uri, kind=kind)
        for number, kind in enumerate(("Like", "Announce", "Block"))
    )
    for one in (liked, passed_on, blocked):
        _happened(tx, one)
    likes.add(tx, uri=liked.uri, actor_id=bob.id, object_id=said.id)
    announces.add(tx, uri=passed_on.uri, actor_id=bob.id, object_id=said.id, audience="public")
    blocks.add(tx, uri=blocked.uri, actor_id=bob.id, target_id=bob.id)
    gone = objects.by_uri(tx, says(tx, alice, "A slip of the pen")["id"])
    assert gone is not None
    does(tx, alice, type="Delete", object=gone.uri)


def _poll(tx: Transaction, alice: Actor, head: Actor) -> None:
    asked = says(tx, alice, "When do we meet?")
    known = objects.by_uri(tx, asked["id"])
    assert known is not None
    options = [("Monday", 0), ("Friday", 0)]
    polls.keep(tx, known.id, several=False, ends_at=None, voters=0, options=options)
    assert polls.vote(tx, known.id, head.id, 1, None)


def names(tx: Transaction) -> list[str]:
    """What is found, by name, whatever is found."""
    return [check.name for check in checks.every(tx) if checks.find(tx, check)]


def test_nothing_is_found_in_a_sound_school(oakfield: Transaction) -> None:
    assert names(oakfield) == []
    assert list(checks.broken(oakfield)) == []
    rows = checks.rows(oakfield)
    assert {name for name, count in rows.items() if count} >= {
        "actors", "received", "deliveries", "likes", "votes", "timelines", "arrivals",
    }  # fmt: skip


# --- damage --------------------------------------------------------------------------------------

FAR = timedelta(days=400)


def changed(table: Table, *which: ColumnElement[bool], **changes: object) -> Damage:
    """Rows of `table` say something else, as no function of ours would have it."""

    def damage(tx: Transaction) -> None:
        # What points to a row that is not there is let pass, as a disk does that loses a page.
        if sql.on_postgresql(tx):
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
        assert tx.execute(update(table).where(*which).values(changes)).rowcount > 0

    return damage


def lost(table: Table, *which: ColumnElement[bool]) -> Damage:
    """Rows of `table` are not there any more."""

    def damage(tx: Transaction) -> None:
        assert tx.execute(delete(table).where(*which)).rowcount > 0

    return damage


def put_off(table: Table, column: str, *which: ColumnElement[bool]) -> Damage:
    """Rows of `table` wait for a moment that the youngest teacher here will not live to see."""
    return lambda tx: changed(table, *which, **{column: tx.now + FAR})(tx)


def arrived_twice(tx: Transaction) -> None:
    """The constraint is lost that keeps an activity from standing twice in one inbox."""
    if sql.on_postgresql(tx):
        tx.execute(text("ALTER TABLE received DROP CONSTRAINT uq_received_uri_actor_uri_owner_id"))
    else:
        tx.execute(text("ALTER TABLE received RENAME TO intact"))
        tx.execute(text("CREATE TABLE received AS SELECT * FROM intact"))
    columns = [one.name for one in tables.received.c]
    row = select(*(literal(5) if one == "id" else tables.received.c[one] for one in columns))
    tx.execute(insert(tables.received).from_select(columns, row.limit(1)))


def named_twice(tx: Transaction) -> None:
    """Two of our people have the same handle."""
    tx.execute(text("DROP INDEX uq_actors_local_username"))
    changed(tables.actors, tables.actors.c.username == "head", username="Alice")(tx)


def post_of(state: str) -> ColumnElement[bool]:
    deleted = tables.objects.c.deleted_at
    return deleted.is_not(None) if state == "deleted" else deleted.is_(None)


OURS = tables.actors.c.peer_id.is_(None)
A_POST = select(tables.objects.c.id).where(post_of("deleted")).scalar_subquery()
BOB_ID = select(tables.actors.c.id).where(tables.actors.c.uri == BOB).scalar_subquery()
FIRST_PLACE = select(func.min(tables.timelines.c.position)).scalar_subquery()
WAITS = tables.deliveries.c.state == "waiting"

DAMAGE: dict[str, Damage] = {
    "missing table": lambda tx: tx.execute(text("DROP INDEX ix_deliveries_waiting")),
    "dangling likes.actor_id": changed(tables.likes, actor_id=7),
    "dangling received.owner_id": changed(tables.received, owner_id=7),
    "dangling objects.project_id": changed(tables.objects, project_id=7),
    "twice in received": arrived_twice,
    "twice in actors": named_twice,
    "unknown word in deliveries.state": changed(tables.deliveries, state="lost"),
    "unknown word in objects.audience": changed(tables.objects, audience="everyone"),
    "impossible likes.id": changed(tables.likes, id=2**62),
    "unreadable objects.document": changed(tables.objects, document='{"type": "No'),
    "unreadable received.body": changed(tables.received, state="new", body=b"\x00\x00"),
    "another school's actor": changed(
        tables.actors, tables.actors.c.username == "head", uri="https://other.example/users/head"
    ),
    "actor without a key": lost(tables.keys, tables.keys.c.algorithm == "ed25519"),
    "key of others": changed(tables.keys, actor_id=BOB_ID),
    "stranger in accounts": changed(
        tables.accounts,
        tables.accounts.c.actor_id
        == select(tables.actors.c.id).where(tables.actors.c.username == "head").scalar_subquery(),
        actor_id=BOB_ID,
    ),
    "stranger in notifications": changed(tables.notifications, owner_id=BOB_ID),
    "suspension without effect": changed(tables.actors, suspended_here=True),
    "project without its terms": changed(
        tables.actors, tables.actors.c.username == "head", type="Group"
    ),
    "membership out of order": changed(
        tables.memberships, tables.memberships.c.state == "member", began_at=None
    ),
    "post that was never sent": lost(tables.published, tables.published.c.type == "Create"),
    "deleted post that speaks": changed(tables.objects, post_of("deleted"), content="<p>Oh</p>"),
    "deleted post that lives": lambda tx: objects.bury_unknown(
        tx, tx.execute(select(tables.objects.c.uri).where(_by_bob())).scalar_one(), BOB
    ),
    "post hidden from its author": lambda tx: blocks.add(
        tx, uri="https://oakfield.example/1", actor_id=_id(tx, "alice"), target_id=_id(tx, "alice")
    ),
    "likes of a deleted post": changed(tables.likes, object_id=A_POST),
    "timelines of a deleted post": changed(
        tables.timelines,
        tables.timelines.c.position == FIRST_PLACE,
        object_id=A_POST,
    ),
    "likes without a cause": changed(tables.likes, uri="https://riverside.example/never"),
    "announces without a cause": lost(tables.received, tables.received.c.type == "Announce"),
    "blocks without a cause": changed(tables.blocks, uri="https://riverside.example/never"),
    "follows without a cause": lost(tables.published, tables.published.c.type == "Follow"),
    "notification of nothing": changed(tables.notifications, object_id=None),
    "poll that miscounts": changed(tables.poll_options, votes=0),
    "poll that miscounts voters": changed(tables.polls, voters=2),
    "vote for nothing": changed(tables.votes, position=9),
    "arrival aside without a reason": changed(tables.received, state="aside", reason=None),
    "arrival that is never due": put_off(
        tables.received, "due_at", tables.received.c.state == "new"
    ),
    "arrival held for ever": put_off(tables.received, "claimed_until"),
    "arrival shown before its effect": changed(tables.received, state="new"),
    "conversation held for ever": put_off(tables.wanted, "claimed_until"),
    "move that stands still": changed(tables.moves, due_at=None),
    "delivery in no lane": changed(tables.peers, due_at=None),
    "delivery that says nothing": changed(tables.published, document=b""),
    "delivery that nobody can sign": changed(tables.keys, private=None),
    "delivery out of order": changed(tables.deliveries, WAITS, state="done"),
    "delivery given up without a reason": changed(tables.deliveries, WAITS, state="over"),
    "lane that is never due": put_off(tables.peers, "due_at"),
}


def _by_bob() -> ColumnElement[bool]:
    return tables.objects.c.author_id == BOB_ID


def _id(tx: Transaction, username: str) -> int:
    whose = select(tables.actors.c.id).where(tables.actors.c.username == username, OURS)
    return int(tx.execute(whose).scalar_one())


@pytest.mark.parametrize("name", DAMAGE)
def test_each_kind_of_damage_is_found_by_its_name(oakfield: Transaction, name: str) -> None:
    DAMAGE[name](oakfield)
    by_this_name = [check for check in checks.every(oakfield) if check.name == name]
    assert any(checks.find(oakfield, check) for check in by_this_name)


def test_every_check_of_what_rows_say_of_each_other_is_seen_to_find_something() -> None:
    alike = ("stranger in", "of a deleted post")
    kinds = {
        next((words for words in alike if words in one.name), one.name) for one in invariants.EVERY
    }
    planted = {next((words for words in alike if words in name), name) for name in DAMAGE}
    assert kinds <= planted
