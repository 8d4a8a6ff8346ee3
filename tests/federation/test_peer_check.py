"""An administrator asks how it stands with another server, and is told at once."""

import click
import pytest
from aiohttp import web

from actors import remote
from federation.errors import Gone, Refused, Unreachable
from staffroom import peer_commands
from tests.town import Town
from tests.town.stranger import http_date


async def test_a_school_tells_what_it_runs_whether_it_lets_us_in_and_how_late_it_is(
    town: Town,
) -> None:
    oakfield, hill = await town.school("oakfield"), await town.school("hill")
    await hill.staff("bob")

    async def check(host: str = hill.host) -> list[str]:
        return await peer_commands.ask(oakfield.server, host)

    software, *rest = await check()
    assert software.startswith("runs staffroom ")
    assert software.endswith(", 1 person")
    assert rest == ["we know nobody there yet"]
    await remote.actor(oakfield.server, f"{hill.url}/users/bob")
    assert (await check())[1] == "lets us in"
    await hill.block(oakfield.host)
    assert (await check())[1] == "does not let us in: answered 403"


async def test_what_another_make_of_server_says_is_shown_as_it_is(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    schema = "http://nodeinfo.diaspora.software/ns/schema/2.0"
    link = {"rel": schema, "href": f"{village.url}/n"}
    village.documents["/.well-known/nodeinfo"] = {"links": [link]}
    village.documents["/n"] = {"software": {"name": "pump\x1b[2J", "version": "1"}, "protocols": []}
    eve = village.person("eve")
    await remote.actor(oakfield.server, eve.uri)
    an_hour_ago = {"Date": http_date(town.clock())}
    town.clock.advance(hours=1)
    village.documents["/people/eve"] = web.Response(status=200, headers=an_hour_ago)
    assert await peer_commands.ask(oakfield.server, "Village.example") == [
        "runs pump[2J 1, does not speak ActivityPub",
        "lets us in",
        "our clock is 3600 s ahead of its clock",
    ]
    later = {"Date": http_date(town.clock.advance(minutes=1))}
    village.documents["/people/eve"] = web.Response(status=200, headers=later)
    town.clock.advance(minutes=-1)
    lines = await peer_commands.ask(oakfield.server, village.host)
    assert lines[-1] == "our clock is 60 s behind its clock"
    del village.documents["/n"]
    with pytest.raises(Gone):
        await peer_commands.ask(oakfield.server, village.host)
    with pytest.raises(Refused, match="not on our list"):
        await peer_commands.ask(oakfield.server, "unlisted.example")
    with pytest.raises(click.ClickException, match="name the server"):
        await peer_commands.ask(oakfield.server, "@eve@village.example")


async def test_what_is_wrong_with_a_server_is_told_in_words(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    await village.shut()
    with pytest.raises(Unreachable) as trouble:
        await peer_commands.ask(oakfield.server, village.host)
    refused = "village.example: nobody answers at this address: the connection was refused"
    assert str(trouble.value) == refused
