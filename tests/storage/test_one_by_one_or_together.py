"""Whatever came is worked on one by one or many at once: the same rows are there afterwards."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from federation.activity import Activity
from federation.errors import WireError
from inbox import effects
from inbox.effects import Work
from storage import received, tables
from storage.actors import Actor
from storage.received import Incoming
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, post, project
from tests.storage.teachers import teacher
from tests.storage.test_inbox_verbs import act, note
from tests.storage.test_received import claim

MODE = "open"
OURS = ("alice", "head")
ROUNDS = 12

NUMBER = re.compile(r"\d{15,}")
# A signature over ids.
PROOF = re.compile(r"(?<=\"proofValue\":\")\w+")
KINDS = (
    *["Create"] * 5,
    *["Follow"] * 3,
    *["Undo"] * 3,
    *["Like", "Announce", "Update", "Block", "Delete", "Accept", "Reject", "Flag", "Join"],
    *["Leave", "Arrive"],
)


class Undone(Exception):
    """What was tried is to leave nothing."""


def written(tx: Transaction) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    rows = {}
    for table in tables.metadata.sorted_tables:
        of_it = [list(row) for row in tx.execute(table.select().order_by(*table.primary_key))]
        if table is tables.deliveries:  # PostgreSQL counts on from what was undone
            of_it = [[place, *row[1:]] for place, row in enumerate(of_it)]
        rows[table.name] = [repr(row) for row in of_it]
    return rows


def counted(rows: dict[str, list[str]], old: set[str]) -> dict[str, list[str]]:
    """The same, the ids given since in the order they were given: 1, 2, 3 …"""
    found = {number for lines in rows.values() for line in lines for number in NUMBER.findall(line)}
    new = {number: f"new {place}" for place, number in enumerate(sorted(found - old))}

    def named(match: re.Match[str]) -> str:
        return new.get(match.group(), match.group())

    return {
        name: sorted(PROOF.sub("…", NUMBER.sub(named, line)) for line in lines)
        for name, lines in rows.items()
    }


def some(
    choose: random.Random, senders: list[Actor], ours: list[Actor], posts: list[str]
) -> list[Activity]:
    """What a few senders might say in a minute, sensible or not."""
    said: list[Activity] = []
    for _ in range(choose.randint(6, 24)):
        sender = choose.choice(senders)
        other = choose.choice([*ours, *senders])
        earlier = [one for one in said if one.actor == sender.uri] or said
        kind = choose.choice(KINDS)
        if kind == "Create":
            more: list[dict[str, Any]] = [
                {},
                {"to": [f"{sender.uri}/followers"], "cc": []},
                {"to": [f"{sender.uri}/friends"], "cc": []},
                {"to": [choose.choice(ours).uri], "cc": []},
                {"inReplyTo": choose.choice(posts)},
                {"attributedTo": other.uri},
            ]
            subject = note(sender, **choose.choice(more))
            posts.append(subject["id"])
            said.append(act(sender, kind, subject, to=subject["to"], cc=subject["cc"]))
        elif kind == "Update":
            profile = {"id": sender.uri, "type": "Person", "preferredUsername": sender.username}
            lists = choose.choice(("friends", "followers"))
            changed = {"followers": f"{sender.uri}/{lists}", "name": choose.choice(("Bo", "Al"))}
            said.append(act(sender, kind, {**profile, "inbox": sender.inbox, **changed}))
        elif kind in ("Undo", "Accept", "Reject") and earlier:
            about = choose.choice(earlier)
            said.append(act(sender, kind, choose.choice([about.id, about.json])))
        elif kind == "Delete":
            said.append(act(sender, kind, choose.choice([choose.choice(posts), sender.uri])))
        elif kind in ("Follow", "Block"):
            said.append(act(sender, kind, other.uri))
        else:
            said.append(act(sender, kind, choose.choice(posts)))
    return said


def arrived(
    tx: Transaction, choose: random.Random, said: list[Activity], owners: list[int]
) -> list[Work]:
    rows, known = [], {}
    for one in said:
        known[one.id] = one
        for owner in choose.sample(owners, choose.choice([1, 1, 1, 2])):
            rows += [Incoming(one.id, one.actor, owner, one.type, orjson.dumps(one.json))]
    if choose.random() < 0.3:
        choose.shuffle(rows)
    received.add_all(tx, rows)
    works = []
    for row in claim(tx, limit=1000):
        activity = replace(known[row.uri], owner_id=row.owner_id)
        works.append(Work(row, activity, (activity,)))
    return works


def one_by_one(tx: Transaction, works: list[Work]) -> None:
    for work in works:
        try:
            with tx.part():
                effects.alone(tx, MODE, work)
        except WireError as error:
            received.done(tx, [work.row.id], str(error) or type(error).__name__)


def all_together(tx: Transaction, works: list[Work]) -> None:
    left = list(works)
    while left:
        try:
            with tx.part():
                ends = effects.together(tx, MODE, left, seconds=60)
        except effects.OneFailed:
            ends = effects.together(tx, MODE, left, careful=True, seconds=60)
        assert not ends.doubtful
        ended = {row.id for row, _ in ends.ended}
        left = [work for work in left if work.row.id not in ended]


def tried(
    tx: Transaction, how: Callable[[Transaction, list[Work]], None], works: list[Work]
) -> dict[str, list[str]]:
    rows = {}

    def attempt() -> None:
        nonlocal rows
        with tx.part():
            how(tx, works)
            rows = written(tx)
            raise Undone

    with pytest.raises(Undone):
        attempt()
    return rows


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_same_rows_are_there(tx: Transaction, seed: int) -> None:
    choose = random.Random(seed)
    ours = [teacher(tx, name) for name in OURS]
    senders = [colleague(tx, name, f"{name}.example") for name in ("bob", "cy", "dee")]
    for one in ours:
        follow(tx, one, choose.choice(senders), accepted=choose.random() < 0.7)
    follow(tx, choose.choice(senders), ours[0])
    group = project(tx, "science", ours[0], senders[0])
    posts = [post(tx, author).uri for author in [*ours, *senders]]
    posts.append(post(tx, ours[0], project=group, audience="project").uri)
    said = some(choose, senders, [*ours, group], posts)
    works = arrived(tx, choose, said, [0, *[one.id for one in ours]])
    before = written(tx)
    old = {number for lines in before.values() for line in lines for number in NUMBER.findall(line)}
    alone = counted(tried(tx, one_by_one, works), old)
    many = counted(tried(tx, all_together, works), old)
    for name, lines in alone.items():
        assert many[name] == lines, name
