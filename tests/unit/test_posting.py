"""A delivery takes its own short way to the wire, and says nothing there that it should not."""

import asyncio

import pytest

from federation.addresses import parse
from federation.errors import Unreachable
from federation.posting import _head
from tests.unit.neighbourhood import ONE_MACHINE, Neighbourhood, always, signer
from tests.unit.test_client import INBOX, raw_house

YES = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


async def test_hints_that_come_before_the_answer_are_not_the_answer(near: Neighbourhood) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    async with raw_house(near, "oakfield.example", hints + YES):
        said = await near.client().post(INBOX, b"{}", signer=signer())
    assert said.status == 202


async def test_an_answer_in_pieces_is_put_together(near: Neighbourhood) -> None:
    pieces = b"HTTP/1.1 422 Unprocessable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    async with raw_house(near, "oakfield.example", pieces):
        said = await near.client().post(INBOX, b"{}", signer=signer())
    assert (said.status, said.body) == (422, b"no")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"220 mail.oakfield.example ESMTP\r\n",
        b"HTTP/1.1 202 Accepted\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 202 Accepted\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_said_to_be_none(near: Neighbourhood, nonsense: bytes) -> None:
    async with raw_house(near, "oakfield.example", nonsense):
        with pytest.raises(Unreachable, match="what it answers is not HTTP"):
            await near.client().post(INBOX, b"{}", signer=signer())


async def test_one_connection_carries_one_delivery_after_the_other(near: Neighbourhood) -> None:
    met = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.add(writer)
        while await reader.readuntil(b"\r\n\r\n{}"):
            writer.write(YES)

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    near.streets.ports["oakfield.example"] = server.sockets[0].getsockname()[1]
    client = near.client()
    for _ in range(3):
        assert (await client.post(INBOX, b"{}", signer=signer())).ok
    assert len(met) == 1
    for writer in met:
        writer.close()
    server.close()


async def test_a_connection_that_has_more_to_say_is_not_used_again(near: Neighbourhood) -> None:
    """Else what is left of one answer would be read as the answer to the next delivery."""
    met = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(YES + b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    near.streets.ports["oakfield.example"] = server.sockets[0].getsockname()[1]
    client = near.client()
    for _ in range(2):
        assert (await client.post(INBOX, b"{}", signer=signer())).status == 202
    assert len(met) == 2
    for writer in met:
        writer.close()
    server.close()


@pytest.mark.parametrize("sign", ["\r", "\n", "\r\n", "\0"])
def test_no_header_can_smuggle_another_line_in(sign: str) -> None:
    address = parse(INBOX, ONE_MACHINE)
    with pytest.raises(ValueError, match="end of a line"):
        _head(address, {"Host": "oakfield.example", "User-Agent": f"Oak{sign}X: y"}, 2)


async def test_a_kept_connection_is_given_up_when_the_school_closes(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always(202))
    client = near.client()
    assert (await client.post(INBOX, b"{}", signer=signer())).ok
    await client.close()
