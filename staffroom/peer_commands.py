"""`staffroom peers …`: which other servers we talk to, and how that goes."""

from datetime import datetime
from pathlib import Path

import click

from actors.server import Server
from federation import addresses
from federation.addresses import Rules
from federation.errors import Malformed
from staffroom.command import directory_option, read, with_school
from storage import peers as kept
from storage.database import Transaction
from storage.peers import PeerLine, Policy


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
    """Talk to HOST. A lane that waited for this goes on.

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

    \b
    Example:
      staffroom peers block spam.example
    """
    _set(directory, hosts, "blocked", "is blocked")


@peers.command()
@click.argument("hosts", metavar="HOST…", nargs=-1, required=True)
@directory_option
def remove(directory: Path, hosts: tuple[str, ...]) -> None:
    """Take HOST off the list: neither allowed nor blocked.

    \b
    Example:
      staffroom peers remove riverside.example
    """
    _set(directory, hosts, "unlisted", "is off the list")


@peers.command("list")
@directory_option
def list_(directory: Path) -> None:
    """Print the servers we know: host, policy, how many wait for it, since when, and trouble.

    \b
    Example:
      staffroom peers list
    """

    for line in read(directory, kept.listing):
        click.echo("\t".join(_words(line)))


def _words(line: PeerLine) -> list[str]:
    peer = line.peer
    words = [peer.host, peer.policy, f"{line.waiting} waiting"]
    if line.oldest is not None:
        words.append(f"oldest {_moment(line.oldest)}")
    if peer.paused:
        words.append(f"paused: {_plain(peer.paused)}")
    if peer.failing_since is not None:
        words.append(f"failing since {_moment(peer.failing_since)}")
        if peer.last_error:
            words.append(_plain(peer.last_error))
    return words


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%SZ")


def _plain(text: str) -> str:
    """What another server said, without its control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]


def _set(directory: Path, typed: tuple[str, ...], policy: Policy, said: str) -> None:
    """Set the policy for hosts as they were typed, all or none, and say so."""

    def decide(tx: Transaction, hosts: list[str]) -> None:
        for host in hosts:
            kept.set_policy(tx, host, policy)

    async def act(server: Server) -> list[str]:
        hosts = [_host(one, server.rules) for one in typed]
        await server.database.write(decide, hosts)
        return hosts

    for host in with_school(directory, act):
        click.echo(f"{host} {said}")


def _host(typed: str, rules: Rules) -> str:
    try:
        return addresses.host(typed, rules)
    except Malformed as error:
        raise click.ClickException(f"{typed!r} is not a host: {error}") from None
