"""Durable intake: signed activities that another server brings, each answered 202 when on disk.

The ceiling is an aiohttp handler that reads the same request and answers 202 without a look. Both
run in a process of their own; this process brings what it signed before.
"""

import asyncio
import itertools
import socket
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import uvloop
from aiohttp import web

from federation import keys, signatures
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE, PUBLIC
from staffroom import app, bench_load, demo_peer
from staffroom.bench_load import BenchFailed, Run
from storage import received
from storage.database import Database, School

REQUESTS = 4000  # per run
PEOPLE = 50
TIME_TO_WORK = 120.0  # seconds


async def run(rounds: int) -> list[Run]:
    """Runs called "figure" and "ceiling" in turns, then one called "with effects"."""
    place = app.listen("127.0.0.1", 0)
    senders = Senders(place.getsockname()[1])
    serving = await senders.serve(place)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="staffroom-bench-") as temporary:
        port, bare_port = bench_load.free_port(), bench_load.free_port()
        folder = Path(temporary) / "school"
        url = await asyncio.to_thread(bench_load.found, folder, port)
        command = bench_load.school(folder, "--workers", "0")
        bare = (sys.executable, "-m", "staffroom.bench_intake", str(bare_port))
        async with bench_load.process(*command) as school, bench_load.process(*bare) as ceiling:
            # Connections are warm and keys known after this.
            await bench_load.call_all(port, senders.requests(url, PEOPLE * 4), b"202")
            for _ in range(rounds):
                requests = senders.requests(url, REQUESTS)
                runs.append(await _timed("figure", school.pid, port, requests))
                runs.append(await _timed("ceiling", ceiling.pid, bare_port, requests))
        port = bench_load.free_port()
        folder = Path(temporary) / "another"
        url = await asyncio.to_thread(bench_load.found, folder, port)
        runs.append(await _with_effects(folder, url, port, senders))
    await serving.cleanup()
    return runs


async def _timed(name: str, process_id: int, port: int, requests: list[bytes]) -> Run:
    before = bench_load.cpu_seconds(process_id)
    seconds = await bench_load.call_all(port, requests, b"202")
    used = bench_load.cpu_seconds(process_id) - before
    return Run(name, len(requests), used, seconds)


async def _with_effects(folder: Path, url: str, port: int, senders: "Senders") -> Run:
    """What it costs until everything that came has had its effect."""
    house = School(url.partition("://")[2], url, "Bench School", bytes(32))
    database = await Database.open(f"sqlite:///{folder / 'staffroom.sqlite'}", house)
    requests = senders.requests(url, REQUESTS // 2)
    loop = asyncio.get_running_loop()
    try:
        async with bench_load.process(*bench_load.school(folder)) as school:
            before = bench_load.cpu_seconds(school.pid)
            began = loop.time()
            await bench_load.call_all(port, requests, b"202")
            await _worked_on(database)
            used = bench_load.cpu_seconds(school.pid) - before
            return Run("with effects", len(requests), used, loop.time() - began)
    finally:
        await database.close()


async def _worked_on(database: Database) -> None:
    end = asyncio.get_running_loop().time() + TIME_TO_WORK
    while asyncio.get_running_loop().time() < end:
        if not await database.read(received.pending):
            return
        await asyncio.sleep(0.05)
    raise BenchFailed(f"what came was not worked on within {TIME_TO_WORK:g} s")


class Senders:
    """Another server with fifty people, who share a key; it serves their documents."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._key = keys.generate("rsa")
        self._numbers = itertools.count(1)

    async def serve(self, place: socket.socket) -> web.AppRunner:
        """Answer for everybody there."""

        async def answer(request: web.Request) -> web.Response:
            document = demo_peer.actor(self.url, self._key, request.path)
            return web.Response(body=orjson.dumps(document), content_type=MEDIA_TYPE)

        application = web.Application()
        application.router.add_get("/people/{number}", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.SockSite(runner, place).start()
        return runner

    def requests(self, url: str, count: int) -> list[bytes]:
        """Whole signed requests, each a Create of a new Note, from everybody in turn."""
        return [
            self._request(f"{url}/inbox", number)
            for number in itertools.islice(self._numbers, count)
        ]

    def _request(self, inbox: str, number: int) -> bytes:
        actor = f"{self.url}/people/{number % PEOPLE}"
        body = orjson.dumps(_create(self.url, actor, number))
        headers = signatures.sign(
            "POST",
            inbox,
            signer=Signer(f"{actor}#main-key", self._key),
            now=datetime.now(UTC),
            body=body,
            content_type=MEDIA_TYPE,
        )
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(["POST /inbox HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
        return f"{head}\r\n\r\n".encode() + body


def _create(home: str, actor: str, number: int) -> dict[str, Any]:
    note = {
        "id": f"{home}/notes/{number}",
        "type": "Note",
        "attributedTo": actor,
        "to": [PUBLIC],
        "cc": [f"{actor}/followers"],
        "content": "<p>Minutes of the science network are up. Next meeting at Hillcrest.</p>",
        "published": "2026-09-01T08:00:00Z",
    }
    return {
        "@context": demo_peer.CONTEXT,
        "id": f"{home}/activities/{number}",
        "type": "Create",
        "actor": actor,
        "to": note["to"],
        "cc": note["cc"],
        "published": note["published"],
        "object": note,
    }


async def serve_bare(port: int) -> None:
    """The ceiling: read the request, answer 202."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/inbox", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    click.echo("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve_bare(int(sys.argv[1])))
