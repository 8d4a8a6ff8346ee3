"""Deliveries: posts of one person to followers at two hundred other servers.

The other servers are one sink under many names, in this process; the school is served in another.
The ceiling is the signature that each delivery needs: RSA with 2048 bits.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession, web

from actors import accounts, staff
from federation import keys, signatures
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE, PUBLIC
from staffroom import app, bench_load, config
from staffroom.bench_load import BenchFailed, Run
from storage import actors, follows, peers
from storage.actors import RemoteFields
from storage.database import Database, School, Transaction

PEERS = 200
POSTS = 10  # per run
SIGNATURES = 1000
TIME_TO_DELIVER = 120.0  # seconds


class Sink:
    """Answers 202 to every delivery and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._enough = 0
        self._reached = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """One delivery."""
        await request.read()
        self.count += 1
        if self.count >= self._enough:
            self._reached.set()
        return web.Response(status=202)

    async def reach(self, count: int) -> None:
        """Wait until so many have come in all. Raises BenchFailed after two minutes."""
        self._enough = count
        self._reached.clear()
        if self.count >= count:
            return
        try:
            await asyncio.wait_for(self._reached.wait(), TIME_TO_DELIVER)
        except TimeoutError:
            raise BenchFailed(f"{self.count} of {count} deliveries came") from None


async def run(rounds: int) -> list[Run]:
    """Runs called "figure" and "ceiling", in turns."""
    sink = Sink()
    place = app.listen("127.0.0.1", 0)
    application = web.Application()
    application.router.add_post("/inbox", sink.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, place).start()
    port = bench_load.free_port()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="staffroom-bench-") as temporary:
        folder = Path(temporary) / "school"
        url = await asyncio.to_thread(bench_load.found, folder, port)
        token = await _populate(folder, url, place.getsockname()[1])
        signer = Signer(f"{url}/actor#main-key", keys.generate("rsa"))
        async with (
            bench_load.process(*bench_load.school(folder)) as school,
            ClientSession() as session,
        ):
            await _post(session, url, token, 1)
            await sink.reach(PEERS)  # connections are warm now
            for _ in range(rounds):
                runs.append(await _delivered(sink, school.pid, session, url, token))
                runs.append(await asyncio.to_thread(_signed, signer, url))
    await runner.cleanup()
    return runs


async def _delivered(
    sink: Sink, process_id: int, session: ClientSession, url: str, token: str
) -> Run:
    wanted = sink.count + POSTS * PEERS
    before = bench_load.cpu_seconds(process_id)
    began = time.perf_counter()
    await _post(session, url, token, POSTS)
    await sink.reach(wanted)
    seconds = time.perf_counter() - began
    return Run("figure", POSTS * PEERS, bench_load.cpu_seconds(process_id) - before, seconds)


def _signed(signer: Signer, url: str) -> Run:
    body = orjson.dumps({"type": "Create", "content": "x" * 500})
    now = datetime.now(UTC)
    began, used = time.perf_counter(), time.thread_time()
    for _ in range(SIGNATURES):
        signatures.sign(
            "POST",
            f"{url}/inbox",
            signer=signer,
            now=now,
            body=body,
            content_type=MEDIA_TYPE,
        )
    return Run("ceiling", SIGNATURES, time.thread_time() - used, time.perf_counter() - began)


async def _post(session: ClientSession, url: str, token: str, count: int) -> None:
    note = {
        "type": "Note",
        "content": "<p>Minutes of the science network are up.</p>",
        "to": [PUBLIC],
        "cc": [f"{url}/users/alice/followers"],
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE}
    for _ in range(count):
        async with session.post(
            f"{url}/users/alice/outbox", data=orjson.dumps(note), headers=headers
        ) as answer:
            if answer.status != 201:
                raise BenchFailed(f"the outbox answered {answer.status} {await answer.text()}")


async def _populate(folder: Path, url: str, sink_port: int) -> str:
    """One member of staff with a token, and followers everywhere."""
    house = School(url.partition("://")[2], url, "Bench School", config.secret(folder))
    database = await Database.open(f"sqlite:///{folder / 'staffroom.sqlite'}", house)
    try:
        return await database.write(_people, sink_port)
    finally:
        await database.close()


def _people(tx: Transaction, sink_port: int) -> str:
    alice = staff.add(tx, username="alice", name="Alice Okafor")
    for number in range(PEERS):
        host = f"sink{number}.localhost:{sink_port}"
        peers.set_policy(tx, host, "allowed")
        follower = actors.save_remote(tx, _follower(host))
        follows.request(tx, follower.id, alice.id, f"http://{host}/follows/1")
        follows.accept(tx, follower.id, alice.id)
    return accounts.issue_token(tx, alice, ("read", "write"))


def _follower(host: str) -> RemoteFields:
    uri = f"http://{host}/head"
    document: dict[str, Any] = {"id": uri, "type": "Person", "inbox": f"http://{host}/inbox"}
    return RemoteFields(
        uri=uri,
        peer_host=host,
        type="Person",
        username="head",
        host=host,
        name="Head",
        summary="",
        url=uri,
        inbox=f"http://{host}/inbox",
        shared_inbox=f"http://{host}/inbox",
        outbox=None,
        followers=None,
        following=None,
        featured=None,
        approves_followers=False,
        moved_to=None,
        state="active",
        document=orjson.dumps(document).decode(),
    )
