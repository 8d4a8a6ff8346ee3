"""Deliveries: posts of one person, brought to followers at many other servers.

The other servers are one sink under many names, in this process; the school is served in another.
The ceiling is the signature that each delivery needs: RSA with 2048 bits.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from aiohttp import ClientSession

from federation import certificates, keys, signatures
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE
from staffroom.bench import fan_out, load, slow_peers
from staffroom.bench.figures import Figure, Rounds, Run, Target
from staffroom.bench.load import BenchFailed, Founded, Ground, Served
from staffroom.bench.posting import delivered, populate
from staffroom.bench.sinks import Sink, taking

PEERS = 200
POSTS = 10  # per run
COLD_POSTS = 2
SIGNATURES = 500

CEILING = "RSA-2048 signatures over the same headers, in one thread"
COVERS = (
    "ten posts to followers at 200 servers: outbox endpoint, post and deliveries written, lanes "
    "claimed, signed, sent over plain HTTP, answers read, noted as done; connections warm"
)


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """To peers that take RSA, and such as take Ed25519; over TLS; then to many, and to bad ones."""
    rsa, ed25519 = await _warm(ground)
    yield rsa.figure(
        "warm deliveries, RSA",
        ceiling_is=CEILING,
        covers=COVERS,
        targets=(Target("ratio", ">=", 0.50),),
    )
    yield ed25519.figure(
        "warm deliveries, Ed25519",
        ceiling_is="warm deliveries, RSA, in turns with these",
        covers="the same to peers that took Ed25519 with RFC 9421 before",
        targets=(Target("ratio", ">=", 1.8),),
    )
    yield (await _cold(ground)).figure(
        "cold TLS deliveries",
        ceiling_is=CEILING,
        covers="the same, each delivery over a new TLS connection (P-256, verified)",
        targets=(Target("ratio", ">=", 0.15),),
    )
    async for figure in fan_out.run(ground):
        yield figure
    async for figure in slow_peers.run(ground):
        yield figure


async def _warm(ground: Ground) -> tuple[Rounds, Rounds]:
    """RSA beside bare signatures, and Ed25519 beside RSA: one after the other in each round."""
    async with (
        taking() as one,
        taking() as other,
        _delivering(ground, one, "cavage") as with_rsa,
        _delivering(ground, other, "ed25519") as with_ed25519,
    ):
        rsa, ed25519 = Rounds(), Rounds()
        signer = Signer(f"{with_rsa.school.url}/actor#main-key", keys.generate("rsa"))
        for number in range(ground.rounds(5)):
            ground.say(f"to warm connections, round {number + 1}")
            rsa.figures.append(await with_rsa.deliver(POSTS))
            rsa.ceilings.append(await asyncio.to_thread(_signed, signer))
            ed25519.figures.append(await with_ed25519.deliver(POSTS))
        ed25519.ceilings = rsa.figures
        return rsa, ed25519


async def _cold(ground: Ground) -> Rounds:
    authority, server = ground.folder / "authority.pem", ground.folder / "server.pem"
    names = [f"sink{number}.localhost" for number in range(PEERS)]
    certificates.write(authority, server, names)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(server)
    async with (
        taking(tls=tls, closes=True) as sink,
        _delivering(ground, sink, "cavage", extra_ca_file=str(authority)) as school,
    ):
        rounds = Rounds()
        signer = Signer(f"{school.school.url}/actor#main-key", keys.generate("rsa"))
        for number in range(ground.rounds(5)):
            ground.say(f"over TLS, round {number + 1}")
            rounds.figures.append(await school.deliver(COLD_POSTS))
            rounds.ceilings.append(await asyncio.to_thread(_signed, signer))
        return rounds


@dataclass(frozen=True)
class Delivering:
    """A school that is served, with followers at one sink."""

    school: Founded
    served: Served
    sink: Sink
    session: ClientSession
    token: str
    form: str  # how they want it signed

    async def deliver(self, posts: int) -> Run:
        """What it costs until everybody has so many posts."""
        self.sink.forms.clear()
        run_ = await delivered(
            self.sink, self.served, self.session, self.school, self.token, posts, PEERS
        )
        if set(self.sink.forms) != {self.form}:
            raise BenchFailed(f"signed as {dict(self.sink.forms)}, not {self.form}")
        return run_


@asynccontextmanager
async def _delivering(
    ground: Ground, sink: Sink, form: str, **settings: object
) -> AsyncIterator[Delivering]:
    async with load.founded(ground, **settings) as school:
        token = await populate(school, sink.hosts(PEERS), scheme=sink.scheme, form=form)
        async with load.process(*load.serving(school)) as served, ClientSession() as session:
            found = Delivering(school, served, sink, session, token, form)
            # The first post makes the connections and fills what is remembered.
            await found.deliver(1)
            yield found


def _signed(signer: Signer) -> Run:
    body = orjson.dumps({"type": "Create", "content": "x" * 500})
    now = datetime.now(UTC)
    began, used = time.perf_counter(), time.thread_time()
    for _ in range(SIGNATURES):
        signatures.sign(
            "POST",
            "http://sink.localhost/inbox",
            signer=signer,
            now=now,
            body=body,
            content_type=MEDIA_TYPE,
        )
    return Run(SIGNATURES, time.thread_time() - used, time.perf_counter() - began)
