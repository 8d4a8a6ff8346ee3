"""What a school acknowledged while it was killed again and again, counted outside of it.

A village brings it activities, ten at once, and Alice writes posts, one after the other. Each 202
at the door and each 201 at her outbox is remembered here. What was in hand at a kill is brought
again afterwards, as any sender does; what was acknowledged is not.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from aiohttp import ClientError, ClientSession
from sqlalchemy import bindparam, or_, select, text

from storage.database import Transaction
from storage.tables import Moment, deliveries, published
from tests.e2e.crashing import MortalSchool
from tests.e2e.running import LOOK_AGAIN, until
from tests.e2e.village import Brought, Village

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"

# `make soak` sets this; the short form runs with every change.
SOAK_KILLS = os.environ.get("STAFFROOM_SOAK_KILLS")
KILLS = int(SOAK_KILLS or 2)  # of each engine
CYCLES = 500 if SOAK_KILLS else 1  # at least, of each kind
LONGEST_LIFE = 2.0 if SOAK_KILLS else 0.5  # seconds
KILLS_OF_ONE_SCHOOL = 20  # then all is counted, and another school is founded

BRINGING = 2  # intake cycles under way at once
CREATES = 8  # in a cycle, beside a Follow and a Like of somebody new

_NOT_NOTED = (
    select(deliveries.c.inbox, published.c.uri)
    .join(published, published.c.id == deliveries.c.activity_id)
    .where(
        or_(
            deliveries.c.state == "waiting",
            deliveries.c.ended_at >= bindparam("killed_at", type_=Moment()),
        )
    )
)
_WAITING = text("SELECT count(*) FROM deliveries WHERE state = 'waiting'")
_TOLD = text("SELECT kind, actor_id, object_id FROM notifications")
_LEFT = text("SELECT count(*) FROM received WHERE state = 'new'")


@dataclass
class Ledger:
    """What those remember who were told so, and how often there was occasion to forget it."""

    kills: int = 0
    intake: int = 0  # cycles
    delivery: int = 0
    acknowledged: int = 0
    in_flight: int = 0  # deliveries that had come and were not noted yet, at some kill
    twice: int = 0  # deliveries that came once more
    put_off: int = 0  # answered 503
    cut_off: int = 0  # not answered

    def add(self, other: "Ledger") -> None:
        """Put the ledger of another school to this one."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (
            f"{self.intake:,} intake cycles of {CREATES + 2}, {self.delivery:,} delivery cycles, "
            f"{self.kills} kills: {self.acknowledged:,} acknowledged, 0 lost, 0 effects twice; "
            f"{self.twice} of {self.in_flight} deliveries in flight came twice"
        )


# Of the whole run, for the last line of `make soak`.
TOTAL = Ledger()


class Observer:
    """The village and Alice at one school, through all of its lives."""

    def __init__(self, school: MortalSchool, village: Village, session: ClientSession) -> None:
        self.ledger = Ledger()
        self._school = school
        self._village = village
        self._session = session
        self._over = False
        self._numbers = count(1000)
        self._posts = count(1)
        self._thanked: dict[str, Brought] = {}
        self._again: list[list[Brought]] = []
        self._posted: dict[int, str] = {}  # by number: the activity of the post
        self._liked = ""

    @property
    def thanked(self) -> int:
        """How many activities were answered 202."""
        return len(self._thanked)

    def acknowledged(self) -> tuple[set[str], set[str]]:
        """The ids of what was brought and answered 202, and of what Alice did and got a 201 for."""
        return set(self._thanked), set(self._posted.values())

    async def begin(self) -> None:
        """Alice writes what the village will like."""
        made = await self._school.read("alice", await self._school.act("alice", self._note(0)))
        self._liked, self._posted[0] = made["object"]["id"], made["id"]

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Everybody is busy as long as the body runs."""
        self._over = False
        async with asyncio.TaskGroup() as tasks:
            for _ in range(BRINGING):
                tasks.create_task(self._bring())
            tasks.create_task(self._write())
            try:
                yield
            finally:
                self._over = True

    async def a_life(self) -> None:
        """Everybody is busy until, at a moment that nobody chose, the school is killed. Where
        several processes serve it, first one of them is, and some time later all."""
        async with self.busy():
            await asyncio.sleep(random.uniform(0, LONGEST_LIFE))
            killed_at = datetime.now(UTC)
            if self._school.kill_one():
                await self.count_in_flight(killed_at)
                await asyncio.sleep(random.uniform(0, LONGEST_LIFE))
            only_the_first = self._school.several and random.random() < 0.5
            killed_at = datetime.now(UTC)
            await self._school.kill(only_the_first=only_the_first)
        await self.count_in_flight(killed_at)

    async def settled(self) -> None:
        """What was in hand is brought again; then all that was acknowledged is worked on and
        delivered."""
        self._over = False
        while self._again:
            await self._cycle(self._again.pop())
            self.ledger.intake -= 1
        await until(self._left, lambda left: left == (0, 0))

    # --- while it lives --------------------------------------------------------------------------

    async def _bring(self) -> None:
        """One cycle after the other."""
        while not self._over:
            await self._cycle(self._again.pop() if self._again else self._fresh())

    def _fresh(self) -> list[Brought]:
        village, alice = self._village, self._school.uri("alice")
        creates = [village.create(next(self._numbers), alice) for _ in range(CREATES)]
        return [
            *creates,
            village.follow(next(self._numbers), alice),
            village.like(next(self._numbers), self._liked, alice),
        ]

    async def _cycle(self, activities: list[Brought]) -> None:
        """Bring all of them at once; what is not acknowledged is to be brought again."""
        outcomes = await asyncio.gather(*(self._one(activity) for activity in activities))
        rest = [one for one, thanked in zip(activities, outcomes, strict=True) if not thanked]
        if rest:
            self._again.append(rest)
            await asyncio.sleep(LOOK_AGAIN)
        self.ledger.intake += 1

    async def _one(self, activity: Brought) -> bool:
        try:
            status, headers = await self._village.bring(self._session, self._school.url, activity)
        except ClientError:
            self.ledger.cut_off += 1
            return False
        if self._took(status, headers, 202):
            self._thanked[activity.id] = activity
        return status == 202

    def _took(self, status: int, headers: Mapping[str, str], thanks: int) -> bool:
        """Whether it was acknowledged; all that it may say instead is to come again."""
        if status == thanks:
            return True
        assert status == 503, status
        assert int(headers["Retry-After"]) > 0
        self.ledger.put_off += 1
        return False

    async def _write(self) -> None:
        """One post after the other. One that is not acknowledged is not written again."""
        while not self._over:
            number = next(self._posts)
            try:
                status, headers = await self._school.post("alice", self._note(number))
            except ClientError:
                self.ledger.cut_off += 1
                continue
            if self._took(status, headers, 201):
                self._posted[number] = headers["Location"]
                self.ledger.delivery += 1
            else:
                await asyncio.sleep(LOOK_AGAIN)

    def _note(self, number: int) -> dict[str, Any]:
        followers = f"{self._school.uri('alice')}/followers"
        return {"type": "Note", "content": f"<p>{number}</p>", "to": [PUBLIC], "cc": [followers]}

    async def count_in_flight(self, killed_at: datetime) -> None:
        """The deliveries that came and that the school had not noted when it was killed; those
        who go on, or take its place, may have done that meanwhile."""
        self.ledger.kills += 1

        def look(tx: Transaction) -> set[tuple[str, str]]:
            rows = tx.execute(_NOT_NOTED, {"killed_at": killed_at})
            return {(inbox.split("/")[2], uri) for inbox, uri in rows}

        async with self._school.records() as database:
            not_noted = await database.read(look)
        for place, activities in self._village.told.items():
            came = {activity["id"] for activity in activities}
            self.ledger.in_flight += sum((place, uri) in not_noted for uri in came)

    async def _left(self) -> tuple[int, int]:
        """What is not worked on, and what is not delivered."""

        def look(tx: Transaction) -> tuple[int, int]:
            return tx.execute(_LEFT).scalar_one(), tx.execute(_WAITING).scalar_one()

        async with self._school.records() as database:
            return await database.read(look)

    # --- at the end ------------------------------------------------------------------------------

    async def count(self) -> None:
        """Nothing that was acknowledged is missing, and nothing had its effect twice."""
        await self._arrived_once()
        await self._had_their_effect_once()
        self._delivered_in_order()
        self.ledger.acknowledged = len(self._thanked) + len(self._posted)

    async def _arrived_once(self) -> None:
        there = Counter(one["id"] for one in await self._school.inbox("alice"))
        lost = self._thanked.keys() - there.keys()
        assert not lost, f"{len(lost)} activities were acknowledged and are lost: {sorted(lost)}"
        assert set(there.values()) <= {1}

    async def _had_their_effect_once(self) -> None:
        """One follower for each Follow, one like for each Like, one notification for each."""
        school, kinds = self._school, Counter(one.kind for one in self._thanked.values())
        followers = await school.read("alice", f"{school.uri('alice')}/followers")
        assert followers["totalItems"] == kinds["Follow"] + len(self._village.lanes)

        async with school.records() as database:
            told = await database.read(lambda tx: [tuple(row) for row in tx.execute(_TOLD)])
        assert len(set(told)) == len(told), "somebody was told the same twice"
        assert Counter(kind for kind, *_ in told) == {
            "mention": kinds["Create"],
            "follow": kinds["Follow"],
            "like": kinds["Like"],
        }
        answers = Counter(
            activity["object"]["id"]
            for activity in _distinct(self._village.told[self._village.host])
            if activity["type"] == "Accept"
        )
        assert answers == {one.id: 1 for one in self._thanked.values() if one.kind == "Follow"}

    def _delivered_in_order(self) -> None:
        """Every post came to every place, in the order in which they were written; and no more
        came twice than had come and were not noted when the school was killed."""
        expected: dict[str, int] | None = None
        for place in self._village.lanes:
            came = self._village.told[place]
            first = [one for one in _distinct(came) if one["type"] == "Create"]
            numbers = {one["id"]: int(one["object"]["content"][3:-4]) for one in first}
            assert list(numbers.values()) == sorted(set(numbers.values())), place
            lost = set(self._posted.values()) - numbers.keys()
            assert not lost, f"{len(lost)} posts were acknowledged and did not come to {place}"
            assert expected in (None, numbers), "a post came to some places only"
            expected = numbers
        for came in self._village.told.values():
            self.ledger.twice += len(came) - len({one["id"] for one in came})
        assert self.ledger.twice <= self.ledger.in_flight


def _distinct(activities: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each activity when it first came."""
    seen = set[str]()
    for activity in activities:
        if activity["id"] not in seen:
            seen.add(activity["id"])
            yield activity
