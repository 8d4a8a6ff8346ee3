"""Whether the school is well, and figures for whoever watches over it.

`/healthz` is for the machine: 200, or 503 when the database cannot be written. `/metrics` is for
Prometheus: what waits and since when, what came and went, how the peers do. Which schools we talk
to is nobody's business outside, so only addresses in `server.metrics_from` get it, and nothing
that a proxy passed on: for everybody else there is no such page.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from actors.server import SERVER, Server
from staffroom.config import Network
from storage import depths, school
from storage.database import Transaction
from storage.depths import Depth, Lane

METRICS_FROM: web.AppKey[tuple[Network, ...]] = web.AppKey("metrics_from", tuple)
# Set by who starts several processes, before they begin.
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
# What a proxy adds, whose callers are not next door.
PASSED_ON = ("Forwarded", "X-Real-IP", "Via")
ALSO_PASSED_ON = "x-forwarded-"
PORT: Final = re.compile(r":[0-9]*\Z")
MOST_LANES = 200
LOOK_EVERY: Final = 0.5  # seconds between two looks at the clock of the loop


async def health(request: web.Request) -> web.Response:
    """200 while the database can be written; 503 at the edge if it cannot."""
    server = request.app[SERVER]
    # It costs a commit, and anybody may ask.
    if server.well.recall("database", server.now()) is None:
        await server.database.write(school.touch)
        server.well.note("database", True, server.now())
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def metrics(request: web.Request) -> web.Response:
    """The figures, for who may have them; 404 for everybody else."""
    if not _next_door(request):
        raise web.HTTPNotFound
    server = request.app[SERVER]
    found, states, lanes = await server.database.read(_queues)
    now = server.now()
    registry = _counted(server)
    text = generate_latest(registry) + generate_latest(_Only(_depths(found, now)))
    text += generate_latest(_Only(_peers(states, lanes, now)))
    kind, _, parameters = CONTENT_TYPE_LATEST.partition(";")
    headers = {"Content-Type": f"{kind};{parameters}", "Cache-Control": "no-store"}
    return web.Response(body=text, headers=headers)


async def watch_loop(server: Server) -> None:
    """Notice, for ever, how late the event loop is, and show what this process counted."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_EVERY
        await asyncio.sleep(LOOK_EVERY)
        server.counters.loop_was_late(max(loop.time() - due, 0.0))
        server.counters.add_up()


def _next_door(request: web.Request) -> bool:
    """Whether who asks is on the list, and asks for this machine rather than for the school: what
    a proxy brings bears its mark, or at least the school's name."""
    if any(name in request.headers for name in PASSED_ON):
        return False
    if any(name.lower().startswith(ALSO_PASSED_ON) for name in request.headers):
        return False
    asked, ours = request.headers.get("Host", ""), request.app[SERVER].school.host
    if _without_port(asked) == _without_port(ours) and _address(asked.rpartition(":")[0]) is None:
        return False
    caller = _address(request.remote or "")
    return caller is not None and any(caller in network for network in request.app[METRICS_FROM])


def _without_port(host: str) -> str:
    """The name in a Host header, however it is spelled."""
    return PORT.sub("", host.strip().lower()).removesuffix(".")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _queues(tx: Transaction) -> tuple[list[Depth], dict[str, int], list[Lane]]:
    return depths.depths(tx), depths.peers_by_state(tx), depths.lanes(tx, MOST_LANES)


def _counted(server: Server) -> CollectorRegistry:
    """What this process counted, or all of them where there are several."""
    server.counters.add_up()
    if SHARED_FOLDER not in os.environ:
        return server.counters.registry
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


class _Only(CollectorRegistry):
    """A registry of figures that were had a moment ago."""

    def __init__(self, found: Iterable[Metric]) -> None:
        super().__init__()
        self.register(_Given(list(found)))


class _Given(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> list[Metric]:
        """The figures, as they are."""
        return self._found


def _depths(found: list[Depth], now: datetime) -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "staffroom_queue_rows",
        "Activities that wait (new, waiting), and those set aside for a person (aside)",
        labels=["queue", "state"],
    )
    ages = GaugeMetricFamily(
        "staffroom_queue_oldest_seconds",
        "Age of the oldest of them; 0 where there is none",
        labels=["queue", "state"],
    )
    for depth in found:
        labels = [depth.queue, depth.state]
        rows.add_metric(labels, depth.count)
        age = (now - depth.since).total_seconds() if depth.since else 0.0
        ages.add_metric(labels, max(age, 0.0))
    yield rows
    yield ages


def _peers(states: dict[str, int], lanes: list[Lane], now: datetime) -> Iterator[Metric]:
    total = GaugeMetricFamily("staffroom_peers", "Other servers, by state", labels=["state"])
    for state in ("well", "failing", "paused", "blocked"):
        total.add_metric([state], states.get(state, 0))
    yield total
    well = GaugeMetricFamily(
        "staffroom_peer_up",
        "1 for a peer that took what was last brought, 0 for one that did not, or is paused",
        labels=["peer"],
    )
    waiting = GaugeMetricFamily(
        "staffroom_peer_waiting_rows", "Deliveries that wait for a peer", labels=["peer"]
    )
    silent = GaugeMetricFamily(
        "staffroom_peer_silent_seconds", "Since a peer last took something", labels=["peer"]
    )
    for lane in lanes:
        well.add_metric([lane.host], float(lane.state == "well"))
        waiting.add_metric([lane.host], lane.waiting)
        if lane.succeeded_at is not None:
            silent.add_metric([lane.host], max((now - lane.succeeded_at).total_seconds(), 0.0))
    yield from (well, waiting, silent)
