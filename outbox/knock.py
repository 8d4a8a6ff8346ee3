"""A school that opens knocks at the peers of the last 60 days: it is here again.

Hearing from us starts their lane to us, and whatever else waits there for us; a school on our list
that we never met may wait for us as well. For the same reason it knocks again, every 90 seconds of
the first hour, where nobody answered: a line that was cut is mended for both sides at once. What
their clocks say tells whether ours is right: a signature made at the wrong time is refused
everywhere.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median

from actors import admission
from actors.server import Server, Silence, instance_signer
from federation import webfinger
from federation.client import Answer
from federation.errors import Refused, WireError
from federation.signatures import Signer
from outbox import schedule
from storage import peers
from storage.database import Busy, Transaction, Unavailable
from storage.peers import Door

log = logging.getLogger("outbox.knock")

AT_ONCE = 20
# A peer that did not answer is knocked at so often, and so long; then its lane's own time holds.
AGAIN = timedelta(seconds=90)
SOON_BACK = timedelta(hours=1)
MOST_SILENT = 1000
# Seconds by which our clock may differ from what our peers' clocks say between them.
TOLERANCE = 60.0


async def knock(server: Server) -> int:
    """One signed GET of an actor of each peer; how many let us in.

    Warns when our clock is more than a minute off against theirs.
    """
    since = server.now() - schedule.GIVE_UP
    doors = await server.database.read(_doors, server.mode, since)
    strangers = await server.database.read(peers.strangers)
    signer = await instance_signer(server)
    limit = asyncio.Semaphore(AT_ONCE)
    asked = await asyncio.gather(
        *(_ask(server, door, signer, limit) for door in doors),
        *(_ask_stranger(server, host, signer, limit) for host in strangers),
    )
    answers = [answer for answer in asked if answer is not None]
    _compare_clocks(answers, server.now())
    return sum(answer.ok for answer in answers)


async def _ask(
    server: Server, door: Door, signer: Signer, limit: asyncio.Semaphore
) -> Answer | None:
    async with limit:
        try:
            answer = await server.client.get(door.uri, signer=signer)
        except WireError as error:
            log.info("knock", extra={"peer": door.host, "outcome": str(error)})
            return None
    log.info("knock", extra={"peer": door.host, "outcome": str(answer.status)})
    return answer


async def _ask_stranger(
    server: Server, host: str, signer: Signer, limit: asyncio.Semaphore
) -> Answer | None:
    """The same at a server where we know nobody, if it says who stands for it."""
    async with limit:
        try:
            uri = await webfinger.service(server.client, host, signer=signer)
        except WireError as error:
            log.info("knock", extra={"peer": host, "outcome": str(error)})
            return None
    return await _ask(server, Door(host, uri), signer, limit)


def fell_silent(server: Server, host: str, since: datetime | None) -> None:
    """What was brought to this peer met no answer, `since` then or only now."""
    now = server.now()
    began = since or now
    if now - began < SOON_BACK and len(server.silent) < MOST_SILENT:
        server.silent.setdefault(host, Silence(began, asked=now)).asked = now


async def again(server: Server) -> int:
    """Knock at those that fell silent, each at its time; how many are there again.

    Whoever answers lives: their lane starts, and ours at their side, which heard from us.
    """
    now = server.now()
    for host, silence in list(server.silent.items()):
        if now - silence.since >= SOON_BACK:
            del server.silent[host]
    due = [host for host, silence in server.silent.items() if now - silence.asked >= AGAIN]
    limit = asyncio.Semaphore(AT_ONCE)
    answered = await asyncio.gather(*(_ask_again(server, host, limit) for host in due))
    return sum(answered)


async def _ask_again(server: Server, host: str, limit: asyncio.Semaphore) -> bool:
    async with limit:
        silence = server.silent.get(host)
        if silence is None:
            return False
        silence.asked = server.now()
        try:
            answer = await try_one(server, host)
        except WireError:
            return False
    server.silent.pop(host, None)
    if answer is None:
        return False
    log.info("knock", extra={"peer": host, "outcome": str(answer.status)})
    with suppress(Busy, Unavailable):  # then the lane's own time comes
        await server.database.work(peers.heard, host)
    return True


async def try_one(server: Server, host: str) -> Answer | None:
    """Knock at one peer now, and say what it answers; None where we know nobody there.

    Raises Refused for one that we do not talk to, Unreachable, and Malformed.
    """
    door = await server.database.read(peers.door, host)
    if door is None:
        return None
    return await server.client.get(door.uri, signer=await instance_signer(server))


def seconds_ahead(answer: Answer, now: datetime) -> float | None:
    """How far our clock is ahead of the clock of who gave this answer, if it says the time."""
    said = _said(answer)
    return None if said is None else (now - said).total_seconds()


def _doors(tx: Transaction, mode: str, since: datetime) -> list[Door]:
    found = []
    for door in peers.knockable(tx, since):
        try:
            admission.admit(tx, mode, door.host)
        except Refused:
            continue
        found.append(door)
    return found


def _compare_clocks(answers: list[Answer], now: datetime) -> None:
    """The middle of what they say counts: one peer with a wrong clock is not believed."""
    ahead = [seconds for answer in answers if (seconds := seconds_ahead(answer, now)) is not None]
    if ahead and abs(median(ahead)) > TOLERANCE:
        log.warning(
            "the clock of this school is wrong, and others will refuse what it signs: set it (NTP)",
            extra={"seconds_ahead": round(median(ahead)), "peers": len(ahead)},
        )


def _said(answer: Answer) -> datetime | None:
    """The time of an answer, by the clock of who gave it."""
    try:
        said = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return said if said.tzinfo else None
