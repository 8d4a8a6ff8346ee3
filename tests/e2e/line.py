"""The line to a school, which can be cut: what other schools send passes through here.

Those who come from 127.0.0.1 are other schools; the school's own people come from 127.0.0.2 and
are in the house, so that they go on whatever happens to the line.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import ClientSession, TCPConnector

IN_THE_HOUSE = "127.0.0.2"
PIECE = 65536


class Line:
    """From where a school is found to where it listens."""

    def __init__(self, port: int, place: int) -> None:
        self._port = port
        self._place = place
        self._cut = False
        self._through: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """It is there as long as the body runs."""
        server = await asyncio.start_server(self._call, "127.0.0.1", self._port)
        try:
            yield
        finally:
            server.close()
            self._hang_up()

    def cut(self) -> None:
        """Whatever is under way breaks off, and nobody gets through any more."""
        self._cut = True
        self._hang_up()

    def mend(self) -> None:
        """Everybody gets through again."""
        self._cut = False

    def _hang_up(self) -> None:
        for writer in self._through:
            writer.transport.abort()
        self._through.clear()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_outside = writer.get_extra_info("peername")[0] != IN_THE_HOUSE
        if from_outside and self._cut:
            writer.transport.abort()
            return
        try:
            answers, inside = await asyncio.open_connection("127.0.0.1", self._place)
        except OSError:
            writer.transport.abort()
            return
        if from_outside:
            self._through |= {writer, inside}
        await asyncio.gather(_pass(reader, inside), _pass(answers, writer))
        self._through -= {writer, inside}


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


def in_the_house() -> ClientSession:
    """A caller who does not need the line."""
    return ClientSession(connector=TCPConnector(local_addr=(IN_THE_HOUSE, 0)))
