"""`staffroom peers …`: which other servers we talk to, and how that goes."""

import json
import sys
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.server import Server
from federation import addresses, nodeinfo, webfinger
from federation.addresses import Rules
from federation.answers import Answer
from federation.errors import Malformed
from federation.nodeinfo import Node
from outbox import knock, standing
from staffroom.arguments import directory_option
from staffroom.command import read, with_school
from staffroom.peer_list import COLUMNS, Standing, standings
from storage import actors
from storage import peers as kept
from storage.actors import Actor
from storage.database import Transaction
from storage.peers import PeerLine, Policy

# Whom a command is about: a server, or a person of one.
Place = str | tuple[str, str]


@click.group(no_args_is_help=True)
@directory_option
def peers(directory: Path) -> None:
    """Other servers: whom we talk to, what waits for them, and why.

    \b
    Example:
      staffroom peers list
    """


@peers.command()
@click.argument("hosts", metavar="HOST…", nargs=-1, required=True)
@directory_option
def allow(directory: Path, hosts: tuple[str, ...]) -> None:
    """Talk to HOST. A lane that waited for this goes on. With @name@host: a person again.

    \b
    Example:
      staffroom peers allow riverside.example
    """
    _set(directory, hosts, "allowed", "is allowed")


@peers.command()
@click.argument("hosts", metavar="HOST…", nargs=-1, required=True)
@directory_option
def block(directory: Path, hosts: tuple[str, ...]) -> None:
    """Talk to HOST and its sub-domains no more; it wins over everything else.

    With @name@host one person is blocked for everybody here, and not their server.

    \b
    Example:
      staffroom peers block spam.example @mallory@forum.example
    """
    _set(directory, hosts, "blocked", "is blocked")


@peers.command()
@click.argument("hosts", metavar="HOST…", nargs=-1, required=True)
@directory_option
def remove(directory: Path, hosts: tuple[str, ...]) -> None:
    """Take HOST (or @name@host) off the list: neither allowed nor blocked.

    \b
    Example:
      staffroom peers remove riverside.example
    """
    _set(directory, hosts, "unlisted", "is off the list")


@peers.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@directory_option
def list_(directory: Path, as_json: bool) -> None:
    """Print the servers we know: policy, how delivery goes and why, when they last were there.

    Then the people of other servers who are blocked. In a pipe: columns with a tab between.

    \b
    Example:
      staffroom peers list
    """

    def look(tx: Transaction) -> tuple[list[PeerLine], list[tuple[str, str]]]:
        return kept.listing(tx), kept.suspended_people(tx)

    lines, people = read(directory, look)
    found = standings(lines)
    if as_json:
        blocked = [{"handle": handle, "id": uri} for handle, uri in people]
        peers_ = [line.document for line in found]
        click.echo(json.dumps({"peers": peers_, "blocked_people": blocked}, indent=2))
    elif sys.stdout.isatty():
        _print_tables(found, people)
    else:
        for line in found:
            click.echo("\t".join(line.words))
        for handle, uri in people:
            click.echo(f"{handle}\tblocked\t{uri}")


# The colour in which a lane is shown that somebody should look at.
_COLOURS = {"paused": "red", "dead": "red", "failing": "yellow"}


def _print_tables(found: list[Standing], people: list[tuple[str, str]]) -> None:
    console = Console()
    table = Table(*COLUMNS)
    for line in found:
        host, policy, lane, *times = (Text(words) for words in line.words)
        policy.stylize("red" if line.policy.startswith("blocked") else "")
        lane.stylize(_COLOURS.get(line.state, ""))
        table.add_row(host, policy, lane, *times)
    console.print(table if found else "no other servers yet: staffroom peers allow HOST")
    if people:
        blocked = Table("blocked person", "id")
        for handle, uri in people:
            blocked.add_row(Text(handle), Text(uri))
        console.print(blocked)


@peers.command()
@click.argument("host", metavar="HOST")
@directory_option
def check(directory: Path, host: str) -> None:
    """Ask HOST now: which software it runs, whether it lets us in, and how its clock goes.

    \b
    Example:
      staffroom peers check riverside.example
    """

    for line in with_school(directory, partial(ask, typed=host)):
        click.echo(line)


async def ask(server: Server, typed: str) -> list[str]:
    """What there is to say about a server at this moment, line by line.

    Raises WireError where it cannot be asked.
    """
    host = _place(typed, server.rules)
    if not isinstance(host, str):
        raise click.ClickException(f"{typed} is a person: name the server")
    node = await nodeinfo.ask(server.client, host)
    return [_software(node), *_entrance(await knock.try_one(server, host), server)]


def _software(node: Node) -> str:
    noun = "person" if node.people == 1 else "people"
    many = "" if node.people is None else f", {node.people:,} {noun}"
    silent = "" if node.speaks_activitypub else ", does not speak ActivityPub"
    return f"runs {node.software} {node.version}".rstrip() + many + silent


def _entrance(answer: Answer | None, server: Server) -> list[str]:
    if answer is None:
        return ["we know nobody there yet"]
    ahead = knock.seconds_ahead(answer, server.now())
    clock = "says no time" if ahead is None else f"our clock is {round(ahead)} s ahead of its clock"
    if ahead is not None and round(ahead) < 0:
        clock = f"our clock is {-round(ahead)} s behind its clock"
    return ["lets us in" if answer.ok else f"does not let us in: answered {answer.status}", clock]


# --- deciding ----------------------------------------------------------------------------------


def _set(directory: Path, typed: tuple[str, ...], policy: Policy, said: str) -> None:
    """Set the policy for hosts and people as they were typed, all or none, and say so."""

    async def act(server: Server) -> list[str]:
        places = [_place(one, server.rules) for one in typed]
        return await server.database.write(_decide, places, policy)

    for name in with_school(directory, act):
        click.echo(f"{name} {said}")


def _decide(tx: Transaction, places: list[Place], policy: Policy) -> list[str]:
    """Do it, and answer whom it was about, in our spelling."""
    names = []
    for place in places:
        if isinstance(place, str):
            _check_host(tx, place, policy)
            kept.set_policy(tx, place, policy)
            names.append(place)
            continue
        for actor in _known(tx, *place):
            if policy == "blocked":
                standing.suspend(tx, actor)
            else:
                standing.readmit(tx, actor)
        names.append(f"@{place[0]}@{place[1]}")
    return names


def _check_host(tx: Transaction, host: str, policy: Policy) -> None:
    """Refuse what is meant otherwise: our own host, and to take off a host that is not there."""
    if host == tx.school.host:
        raise click.ClickException(f"{host} is this school")
    if policy == "unlisted" and kept.by_host(tx, host) is None:
        raise click.ClickException(f"{host} is not on the list")


def _known(tx: Transaction, username: str, host: str) -> list[Actor]:
    """Everyone with this handle: a person and a group may share one."""
    if host == tx.school.host:
        raise click.ClickException(
            f"@{username}@{host} is of this school: use staffroom staff suspend {username}"
        )
    found = [one for one in actors.by_handle(tx, username, host) if one.state != "deleted"]
    if not found:
        raise click.ClickException(
            f"nobody here knows @{username}@{host}: block their server, or wait until they come"
        )
    return found


def _place(typed: str, rules: Rules) -> Place:
    """The host or the handle that was typed, in our spelling."""
    kind = "handle" if "@" in typed else "host"
    try:
        return webfinger.handle(typed, rules) if "@" in typed else addresses.host(typed, rules)
    except Malformed as error:
        raise click.ClickException(f"{typed!r} is not a {kind}: {error}") from None
