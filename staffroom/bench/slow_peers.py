"""Some servers are bad: what do the others notice?

Thirty good ones take what a person posts at one school; at another, twenty bad ones follow as
well. Five answer after ten seconds, ten drop every packet, five answer one byte a second. In each
round somebody else posts there and the bad ones are new, for those that were found out are left
alone.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession

from actors import accounts, staff
from staffroom.bench import load
from staffroom.bench.figures import Figure, Target, beside, percentile
from staffroom.bench.load import Founded, Ground
from staffroom.bench.posting import post
from staffroom.bench.sinks import Sink, dripping, silent, slow, taking
from storage import crowds
from storage.database import Transaction

GOOD, SLOW, SILENT, DRIPPING = 30, 5, 10, 5
POSTS = 10
EVERY = 0.2  # seconds between two posts


@dataclass(frozen=True)
class Posting:
    """A school that is served; its tokens by who posts, and the sink where the good ones are."""

    school: Founded
    tokens: dict[str, str]
    sink: Sink
    session: ClientSession

    async def p95(self, name: str, posts: int) -> float:
        """How long until a good server has what they post: p95, in ms."""
        waits: list[float] = []
        for _ in range(posts):
            self.sink.came.clear()
            wanted = self.sink.count + GOOD
            began = time.monotonic()
            await post(self.session, self.school, self.tokens[name], name)
            await self.sink.reach(wanted)
            waits += [came - began for _, came in self.sink.came]
            await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))
        return percentile(waits, 0.95) * 1000


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """How long until the good ones have it: p95, among the bad ones and alone."""
    rounds = ground.rounds(5)
    posts = ground.size(POSTS, 3)
    alone: list[float] = []
    among: list[float] = []
    async with (
        taking(watched=True) as sink,
        slow() as slow_port,
        silent() as silent_port,
        dripping() as dripping_port,
    ):
        good = sink.hosts(GOOD)

        def with_bad_ones(number: int) -> list[str]:
            bad = [
                *_hosts("slow", number, SLOW, slow_port),
                *_hosts("silent", number, SILENT, silent_port),
                *_hosts("drip", number, DRIPPING, dripping_port),
            ]
            # Every good one comes after some bad one, as they would have come to follow.
            pairs = zip(bad, good, strict=False)
            return [host for pair in pairs for host in pair] + good[len(bad) :]

        writers = {
            "warm": good,
            **{f"ada{number}": with_bad_ones(number) for number in range(rounds)},
        }
        async with (
            _posting(ground, sink, {"alice": good}) as quiet,
            _posting(ground, sink, writers) as troubled,
        ):
            await quiet.p95("alice", 2)  # connections are warm after this
            await troubled.p95("warm", 2)
            for number in range(rounds):
                ground.say(f"bad servers, round {number + 1}")
                alone.append(await quiet.p95("alice", posts))
                among.append(await troubled.p95(f"ada{number}", posts))
    yield beside(
        "the other 30 servers' p95 among 20 bad ones",
        among,
        alone,
        unit="ms",
        ceiling_is="the same 30 alone",
        covers="from the POST to the outbox until the delivery arrived; 5 answer after 10 s, "
        "10 drop packets, 5 drip",
        targets=(Target("ratio", "<=", 1.2), Target("value", "<=", 2000)),
    )


def _hosts(kind: str, number: int, count: int, port: int) -> list[str]:
    return [f"{kind}{number}x{each}.localhost:{port}" for each in range(count)]


@asynccontextmanager
async def _posting(
    ground: Ground, sink: Sink, writers: dict[str, list[str]]
) -> AsyncIterator[Posting]:
    """A school where each of these is followed by one person at each of their hosts."""
    hosts = list(dict.fromkeys(host for followers in writers.values() for host in followers))
    at = {host: crowds.person_id(number) for number, host in enumerate(hosts)}

    def populate(tx: Transaction) -> dict[str, str]:
        crowds.people(tx, hosts)
        tokens = {}
        for name, followers in writers.items():
            actor = staff.add(tx, username=name, name=name.title())
            crowds.follow(tx, [(at[host], actor.id) for host in followers])
            tokens[name] = accounts.issue_token(tx, actor, ("read", "write"))
        return tokens

    async with load.founded(ground) as school:
        async with school.opened() as database:
            tokens = await database.write(populate)
        async with load.process(*load.serving(school)), ClientSession() as session:
            yield Posting(school, tokens, sink, session)
