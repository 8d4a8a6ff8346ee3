"""Who asks to follow somebody, and waits for their yes or no."""

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from actors.server import SERVER
from pages import entries, rendering
from pages.session import Reader, signed_in
from storage import follows
from storage.actors import Actor
from storage.database import Transaction


@dataclass(frozen=True)
class Asking:
    """Somebody who asks, and since when."""

    actor: Actor
    path: str
    since: datetime


@signed_in
async def requests(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`/requests`"""
    asking = await request.app[SERVER].database.read(_asking, reader.actor)
    return rendering.page(request, "requests.html", reader=reader, asking=asking)


def _asking(tx: Transaction, reader: Actor) -> list[Asking]:
    return [
        Asking(actor, entries.person_path(actor, reader), follow.created_at)
        for follow, actor in follows.requests(tx, reader.id)
    ]
