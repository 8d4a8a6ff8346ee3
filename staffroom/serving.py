"""A school opens its doors, and closes them in good order when it is asked to."""

import asyncio
import signal
import sys

import click
import uvloop
from aiohttp import web

from staffroom import app, journal, workers
from staffroom.config import Settings
from storage import deliveries, moves, received
from storage.alone import alone
from storage.database import Transaction

# A busy worker thread must not keep the doors waiting: with the usual 5 ms, p99 at the doors was
# 155–221 ms while effects were worked on, with this 15–32 ms.
SWITCH_INTERVAL = 0.0005  # seconds
TIME_TO_FINISH = 3.0  # seconds for requests that are being answered when the end comes
IDLE = 30.0  # seconds


def serve(
    settings: Settings, host: str | None, port: int | None, inbox_workers: int, *, traffic: bool
) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotOpen, Unavailable."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    journal.begin(traffic=traffic)
    with app.serving_alone(settings):
        uvloop.run(_serve(settings, host, port, inbox_workers))


async def _serve(
    settings: Settings, host: str | None, port: int | None, inbox_workers: int
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with app.opened(settings) as server:
        await server.database.write(take_up)
        place = app.listen(
            host or settings.server.listen, settings.server.port if port is None else port
        )
        runner = web.AppRunner(
            app.build(server, trusted_proxies=settings.server.trusted_proxies),
            access_log=None,
            keepalive_timeout=IDLE,
            shutdown_timeout=TIME_TO_FINISH,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, place, backlog=1024).start()
            async with workers.at_work(
                server, inbox_workers, remote_copies=settings.federation.remote_copies
            ):
                click.echo(f"ready {settings.server.public_url}")
                await stop.wait()
        finally:
            await runner.cleanup()


def take_up(tx: Transaction) -> None:
    """Take up at once what was being worked on when the power went, if nobody else serves this
    school; else it is free when its leases are over."""
    if not alone(tx):
        return
    received.release_all(tx)
    deliveries.abandon_all(tx)
    moves.take_up(tx)
