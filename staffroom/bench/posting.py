"""Somebody of ours whom many follow, and what they post: for the benches that deliver."""

import time
from collections.abc import Sequence

import orjson
from aiohttp import ClientSession

from actors import accounts, staff
from federation.vocabulary import PUBLIC
from staffroom.bench import load
from staffroom.bench.figures import Run
from staffroom.bench.load import BenchFailed, Founded, Served
from staffroom.bench.sinks import Sink
from storage import crowds
from storage.database import Transaction


async def delivered(
    sink: Sink,
    served: Served,
    session: ClientSession,
    school: Founded,
    token: str,
    posts: int,
    peers: int,
) -> Run:
    """Post so many times, and wait until every one of so many peers has all of it."""
    wanted = sink.count + posts * peers
    before, began = served.cpu_seconds(), time.perf_counter()
    for _ in range(posts):
        await post(session, school, token)
    await sink.reach(wanted)
    seconds = time.perf_counter() - began
    return Run(posts * peers, await served.at_rest() - before, seconds)


async def post(session: ClientSession, school: Founded, token: str, name: str = "alice") -> str:
    """A public note of one of ours, as their program posts it; the id of the activity."""
    note = {
        "type": "Note",
        "content": "<p>Minutes of the science network are up.</p>",
        "to": [PUBLIC],
        "cc": [f"{school.url}/users/{name}/followers"],
    }
    async with session.post(
        f"{school.url}/users/{name}/outbox",
        data=orjson.dumps(note),
        headers=load.outbox_headers(token),
    ) as answer:
        if answer.status != 201:
            raise BenchFailed(f"the outbox answered {answer.status} {await answer.text()}")
        return answer.headers["Location"]


async def populate(
    school: Founded, hosts: Sequence[str], *, each: int = 1, scheme: str = "http", form: str
) -> str:
    """Alice, whom so many follow at each of these servers; her token."""

    def found(tx: Transaction) -> str:
        alice = staff.add(tx, username="alice", name="Alice Okafor")
        crowds.people(tx, hosts, each, scheme=scheme)
        count = len(hosts) * each
        crowds.follow(tx, [(crowds.person_id(number), alice.id) for number in range(count)])
        if form != "cavage":
            crowds.take(tx, form)
        return accounts.issue_token(tx, alice, ("read", "write"))

    async with school.opened() as database:
        return await database.write(found)
