"""The ceiling of intake: an aiohttp server that reads a request and answers 202 without a look."""

import asyncio
import sys

import click
import uvloop
from aiohttp import web

COMMAND = (sys.executable, "-m", "staffroom.bench.bare")


async def _serve(port: int) -> None:
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
    uvloop.run(_serve(int(sys.argv[1])))
