"""A school opens its doors, and closes them in good order when it is asked to."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from socket import socket

import click
import uvloop
from aiohttp import web

from actors.server import Server
from staffroom import app, journal, several, workers
from staffroom.config import Settings
from staffroom.several import Post
from storage import deliveries, moves, received
from storage.alone import others
from storage.database import Transaction

# A busy worker thread must not keep the doors waiting: with the usual 5 ms, p99 at the doors was
# 155–221 ms while effects were worked on, with this 15–32 ms.
SWITCH_INTERVAL = 0.0005  # seconds
TIME_TO_FINISH = 3.0  # seconds for requests that are being answered when the end comes
IDLE = 30.0  # seconds


def serve(
    settings: Settings, host: str | None, port: int | None, processes: int, *, traffic: bool
) -> None:
    """Serve until SIGTERM or SIGINT; with 0 processes this one opens the doors, and nothing that
    comes is worked on. Raises CannotOpen, Unavailable."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    journal.begin(traffic=traffic)

    def told() -> None:
        click.echo(f"ready {settings.server.public_url}")

    def listen() -> socket:
        return app.listen(
            host or settings.server.listen, settings.server.port if port is None else port
        )

    with app.serving_alone(settings):
        if processes <= 1:
            uvloop.run(_serve(settings, Post(0, True, told), listen, at_work=processes > 0))
            return
        app.check(settings)
        with listen() as place:
            post = several.part(processes, told)
            uvloop.run(_serve(settings, post, lambda: place, at_work=True))


async def _serve(
    settings: Settings, post: Post, listen: Callable[[], socket], *, at_work: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if post.lifeline is not None:
        loop.add_reader(post.lifeline, stop.set)
    async with app.opened(settings) as server:
        await server.database.keep_reserve()
        await server.database.write_anyway(take_up)
        runner = web.AppRunner(
            app.build(
                server,
                trusted_proxies=settings.server.trusted_proxies,
                metrics_from=settings.server.metrics_from,
            ),
            access_log=None,
            keepalive_timeout=IDLE,
            shutdown_timeout=TIME_TO_FINISH,
        )
        await runner.setup()
        try:
            site = web.SockSite(runner, listen(), backlog=1024)
            await site.start()
            async with AsyncExitStack() as work:
                if at_work:
                    await work.enter_async_context(_workers(server, settings, post))
                post.answers()
                await stop.wait()
                await site.stop()  # whoever comes now finds the next who listens here
        finally:
            await runner.cleanup()


def _workers(server: Server, settings: Settings, post: Post) -> AbstractAsyncContextManager[None]:
    return workers.at_work(
        server,
        remote_copies=settings.federation.remote_copies,
        alone=post.first,
        opens=post.opens,
    )


def take_up(tx: Transaction) -> None:
    """Take up at once what was being worked on by whoever is gone: when the power went, all."""
    there = others(tx)
    received.release_all(tx, but=there)
    deliveries.abandon_all(tx, but=there)
    if not there:
        moves.take_up(tx)
