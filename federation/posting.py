"""One POST over a kept connection, with nothing around it that a delivery does not need.

The library looks names up, opens connections, keeps them and reads what is answered. What it does
beside that for each request (cookies, redirects, encodings, a task that writes) costs four times
as much as the request itself, and a post goes to a thousand schools.
https://www.rfc-editor.org/rfc/rfc9112#name-request-line
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy
from yarl import URL

from federation.addresses import Address

EXCERPT: Final = 64 * 1024
"""Bytes that we read of what is said to a delivery."""
EXCERPT_SECONDS: Final = 2.0
LONGEST_LINE: Final = 8190
MOST_HEADERS: Final = 100

_SERVERS_KNOWN: Final = 4096


class NotHttp(aiohttp.ClientError):
    """What came back cannot be read as an answer."""


@dataclass(slots=True, eq=False)
class Heard:
    """An answer whose status is known; what else is said may still be on its way."""

    status: int
    headers: CIMultiDictProxy[str]
    _rest: StreamReader
    _connection: Connection

    async def beginning(self) -> bytes:
        """As much of the body as comes without trouble; then the connection is kept or closed."""
        try:
            if self._rest.is_eof():
                return self._rest.read_nowait()[:EXCERPT]
            return await beginning(self._rest)
        finally:
            self._connection.release()  # closed, where more is to come


class Posts:
    """POST requests over the connections of `connector`."""

    def __init__(self, connector: aiohttp.TCPConnector, timeout: aiohttp.ClientTimeout) -> None:
        self._connector = connector
        self._timeout = timeout
        self._server = lru_cache(maxsize=_SERVERS_KNOWN)(_server)

    async def send(self, address: Address, headers: Mapping[str, str], body: bytes) -> Heard:
        """Send `body` and wait for the status of the answer. `headers` name the Host.

        Raises aiohttp.ClientError, OSError.
        """
        connection = await self._connect(address)
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None:
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(
                timer=TimerNoop(),
                read_until_eof=True,
                read_bufsize=EXCERPT,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
                max_headers=MOST_HEADERS,
            )
            protocol.transport.write(_head(address, headers, len(body)) + body)
            while True:
                message, rest = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    return Heard(message.code, message.headers, rest, connection)
        except HttpProcessingError as error:
            connection.close()
            raise NotHttp(str(error)) from error
        except BaseException:
            connection.close()
            raise

    async def _connect(self, address: Address) -> Connection:
        wanted = self._server(address.origin, asyncio.get_running_loop())
        try:
            return await self._connector.connect(wanted, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(str(error)) from error


def _server(origin: tuple[str, str, int], loop: asyncio.AbstractEventLoop) -> aiohttp.ClientRequest:
    """What the library asks to be told about the server that a connection is for."""
    scheme, host, port = origin
    url = URL(f"{scheme}://{host}:{port}/", encoded=True)
    return aiohttp.ClientRequest("POST", url, loop=loop)


def _head(address: Address, headers: Mapping[str, str], length: int) -> bytes:
    """The request up to its body. Raises ValueError for a header of more than one line."""
    lines = [f"POST {address.path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {length}")
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            raise ValueError("a header holds the end of a line")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def beginning(content: StreamReader) -> bytes:
    """As much of a body as comes without trouble; the status is what counts."""
    body = bytearray()
    try:
        async with asyncio.timeout(EXCERPT_SECONDS):
            async for piece in content.iter_any():
                body += piece
                if len(body) >= EXCERPT:
                    break
    except (aiohttp.ClientError, OSError):
        pass  # a timeout too
    return bytes(body[:EXCERPT])
