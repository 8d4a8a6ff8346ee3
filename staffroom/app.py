"""One school put together: its database, its caller, its doors; and the moment it opens."""

import fcntl
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from actors import admission, documents
from actors.counters import Counters
from actors.server import SERVER, Server
from federation import addresses
from federation.client import Client
from pages import trouble
from staffroom import config, edge, health, limits, routes
from staffroom.config import CannotOpen, Network, Settings
from storage import schema, school
from storage.database import Database, School, utcnow

LARGEST_BODY = 1024 * 1024  # bytes; a door may allow less, none allows more by itself


def build(
    server: Server,
    *,
    trusted_proxies: tuple[Network, ...] = (),
    metrics_from: tuple[Network, ...] = (),
) -> web.Application:
    """The application of one school: every URL, and what every request passes on its way in."""
    limit_of = {route.handler: route.limit for route in routes.ROUTES}
    app = web.Application(
        client_max_size=LARGEST_BODY,
        middlewares=[
            edge.in_words(documents.wants_page, trouble.in_words),
            edge.addressed_to(server.school.host, server.school.url.partition("://")[2]),
            limits.limiting(limit_of, server.now, trusted_proxies),
            edge.errors,
        ],
    )
    app[SERVER] = server
    app[health.METRICS_FROM] = metrics_from
    for route in routes.ROUTES:
        app.router.add_route(route.method, route.path, route.handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
    routes.furnish(app)
    app.on_response_prepare.append(edge.dress)
    app.on_response_prepare.append(edge.counted)
    return app


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Server]:
    """The school of these settings, open for work and closed again in the end.

    Raises CannotOpen, Unavailable.
    """
    house = School(
        host=settings.server.host,
        url=settings.server.public_url,
        name=settings.server.name,
        secret=config.secret(settings.directory),
        between_moves=settings.federation.between_moves,
    )
    check(settings)
    counters = Counters()
    database = await _open_database(settings, house, counters)
    try:
        await _check_house(database, house)
        client = Client(
            settings.rules,
            now=utcnow,
            agent=f"Staffroom/{version('staffroom')} (+{house.url})",
            admit=admission.gate(database, settings.federation.mode),
            ca_file=settings.federation.extra_ca_file,
            proxy=settings.federation.proxy,
            own=frozenset({house.host, addresses.authority(house.url, settings.rules)}),
        )
        try:
            yield Server(
                house,
                database,
                client,
                settings.rules,
                settings.federation.mode,
                utcnow,
                settings.server.time_zone,
                counters=counters,
            )
        finally:
            await client.close()
    finally:
        await database.close()


def check(settings: Settings) -> None:
    """Raise CannotOpen unless the files are there that the settings name."""
    ca_file = settings.federation.extra_ca_file
    if ca_file is not None and not Path(ca_file).is_file():
        raise CannotOpen(f"federation.extra_ca_file: there is no file {ca_file}")


async def _open_database(settings: Settings, house: School, counters: Counters) -> Database:
    """Raises CannotOpen unless it was made by this version, Unavailable where it does not
    answer."""
    try:
        return await Database.open(settings.database.url, house, committed=counters.committed)
    except schema.NewerSchema:
        reason = "this school was kept by a newer version of Staffroom: use that one"
    except schema.NoTables:
        reason = "the database is empty: run staffroom init"
    except schema.OlderSchema:
        reason = "this school was kept by an older version: run staffroom migrate"
    raise CannotOpen(reason)


async def _check_house(database: Database, house: School) -> None:
    kept = await database.read(school.get)
    if kept is None:
        raise CannotOpen("there is no school in the database: run staffroom init")
    if (kept.host, kept.url) != (house.host, house.url):
        raise CannotOpen(
            f"this school is {kept.host} at {kept.url} for ever, "
            f"but the settings say {house.host} at {house.url}"
        )


def listen(host: str, port: int) -> socket.socket:
    """Take the place where the school answers. Raises CannotOpen where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise CannotOpen(f"cannot listen on {host} port {port}: {reason}") from None


@contextmanager
def serving_alone(settings: Settings) -> Iterator[None]:
    """With SQLite one process serves a school at a time. Raises CannotOpen for the second."""
    if not settings.database.url.startswith("sqlite:"):
        yield
        return
    with (settings.directory / "serving").open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotOpen(
                f"the school in {settings.directory} is being served already"
            ) from None
        yield
