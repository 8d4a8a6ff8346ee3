"""`staffroom staff …`: who works here."""

import sys
from pathlib import Path

import click

from actors import accounts, handles, profile, remote
from actors import staff as members
from actors.accounts import BadPassword
from actors.server import Server
from federation import addresses
from federation.errors import Gone, Unreachable, WireError
from outbox import acting, delete, standing
from staffroom.arguments import directory_option
from staffroom.command import read, with_school, write
from storage import accounts as kept_accounts
from storage import actors
from storage.actors import Actor, UsernameTaken
from storage.database import Transaction


@click.group(no_args_is_help=True)
@directory_option
def staff(directory: Path) -> None:
    """The people who work here.

    \b
    Example:
      staffroom staff list
    """


@staff.command()
@click.argument("username")
@click.option("--name", required=True, help="As colleagues know them.")
@click.option("--role", type=click.Choice(members.ROLES), default="staff", show_default=True)
@click.option("--title", default="", help="What they do here, such as Head of Science.")
@click.option("--subject", "subjects", multiple=True, help="What they teach; may be repeated.")
@click.option("--phase", "phases", multiple=True, help="Whom they teach; may be repeated.")
@click.option("--token", "with_token", is_flag=True, help="Print a bearer token for them as well.")
@click.option("--password-stdin", is_flag=True, help="Read their first password from stdin.")
@directory_option
def add(
    directory: Path,
    username: str,
    name: str,
    role: str,
    title: str,
    subjects: tuple[str, ...],
    phases: tuple[str, ...],
    with_token: bool,
    password_stdin: bool,
) -> None:
    """Add a member of staff. Prints their handle.

    Without --password-stdin they cannot sign in before `staff password` gave them a password.

    \b
    Example:
      staffroom staff add alice --name "Alice Okafor" --title "Head of Science" --subject Physics
    """

    typed = _first_line() if password_stdin else None

    def join(tx: Transaction, password_hash: str | None) -> list[str]:
        try:
            actor = members.add(
                tx,
                username=username,
                name=name,
                role=role,
                title=title,
                subjects=subjects,
                phases=phases,
            )
        except UsernameTaken:
            raise click.ClickException(_taken(tx, username)) from None
        if password_hash is not None:
            accounts.set_password(tx, actor, password_hash)
        token = [accounts.issue_token(tx, actor, accounts.SCOPES)] if with_token else []
        return [actor.handle, *token]

    async def act(server: Server) -> list[str]:
        kept = None
        if typed is not None:
            kept = await _hashed(server, typed, members.normal_username(username))
        return await server.database.write(join, kept)

    for line in with_school(directory, act):
        click.echo(line)


@staff.command()
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@directory_option
def password(directory: Path, username: str, password_stdin: bool) -> None:
    """Give USERNAME a new password. They are signed out everywhere, and their tokens end.

    \b
    Example:
      staffroom staff password alice
      staffroom staff password alice --password-stdin < alice.txt
    """
    kept_name = read(directory, lambda tx: member_called(tx, username).username)
    typed = _first_line() if password_stdin else _typed_twice()

    async def act(server: Server) -> str:
        kept = await _hashed(server, typed, kept_name)
        return await server.database.write(change, kept)

    def change(tx: Transaction, password_hash: str) -> str:
        actor = member_called(tx, username)
        try:
            accounts.set_password(tx, actor, password_hash)
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        return actor.handle

    click.echo(f"{with_school(directory, act)} has a new password")


@staff.command()
@click.argument("username")
@click.option(
    "--scopes", default="read write follow", show_default=True, help="What the token allows."
)
@directory_option
def token(directory: Path, username: str, scopes: str) -> None:
    """Print a new bearer token for USERNAME. It is shown this once.

    \b
    Example:
      staffroom staff token alice --scopes "read write"
    """

    def issue(tx: Transaction) -> str:
        try:
            return accounts.issue_token(tx, member_called(tx, username), scopes.split())
        except ValueError as error:
            raise click.ClickException(str(error)) from None

    click.echo(write(directory, issue))


@staff.command("list")
@directory_option
def list_(directory: Path) -> None:
    """Print who works here: handle, name, role, state.

    \b
    Example:
      staffroom staff list
    """

    def look(tx: Transaction) -> list[tuple[str, ...]]:
        return [
            (one.handle, one.name, kept_accounts.role(tx, one.id) or "", one.state)
            for one in actors.local_people(tx)
        ]

    for line in read(directory, look):
        click.echo("\t".join(line))


@staff.command()
@click.argument("username")
@directory_option
def suspend(directory: Path, username: str) -> None:
    """End what USERNAME may do here: nobody acts in their name, their tokens and sessions end.

    What they wrote is seen by nobody until they are readmitted.

    \b
    Example:
      staffroom staff suspend alice
    """

    def close(tx: Transaction) -> str:
        actor = member_called(tx, username)
        standing.suspend(tx, actor)
        return actor.handle

    click.echo(f"{write(directory, close)} is suspended")


@staff.command()
@click.argument("username")
@directory_option
def readmit(directory: Path, username: str) -> None:
    """End the suspension of USERNAME. They sign in anew; their password is what it was.

    \b
    Example:
      staffroom staff readmit alice
    """

    def open_again(tx: Transaction) -> str:
        actor = member_called(tx, username)
        if not standing.readmit(tx, actor):
            raise click.ClickException(f"{actor.handle} is not suspended")
        return actor.handle

    click.echo(f"{write(directory, open_again)} is back")


@staff.command()
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@directory_option
def remove(directory: Path, username: str, yes: bool) -> None:
    """Remove USERNAME for good: account, profile, follows and everything they wrote.

    Every server that we know is told. The username is never given again.

    \b
    Example:
      staffroom staff remove alice --yes
    """
    actor = read(directory, lambda tx: member_called(tx, username))
    if not yes:
        _make_sure(f"Remove {actor.handle} ({actor.name}) and everything they wrote, for good?")

    def part(tx: Transaction) -> str:
        leaver = member_called(tx, username)
        delete.account(tx, leaver)
        return leaver.handle

    click.echo(f"{write(directory, part)} is removed")


@staff.command()
@click.argument("username")
@click.argument("old", metavar="OLD_ID_OR_HANDLE")
@click.option("--remove", "takes_back", is_flag=True, help="Say so no more.")
@directory_option
def alias(directory: Path, username: str, old: str, takes_back: bool) -> None:
    """Say that USERNAME had the account OLD_ID_OR_HANDLE before, at another school.

    Then that school can move them here: `staffroom move start` there.

    \b
    Example:
      staffroom staff alias bob @bob@riverside.example
      staffroom staff alias bob https://riverside.example/users/bob --remove
    """

    async def act(server: Server) -> str:
        actor = await server.database.read(member_called, username)
        before = profile.of(actor).aliases
        uri = await server.database.read(_among, before, old) or await account_named(server, old)
        if takes_back and uri not in before:
            raise click.ClickException(f"{actor.handle} does not say that they were {uri}")
        others = [one for one in before if one != uri]
        names = others if takes_back else [*others, uri]
        if uri not in before or takes_back:
            said = {"id": actor.uri, "alsoKnownAs": names}
            await acting.act(server, actor, {"type": "Update", "object": said})
        return f"{actor.handle} {'was not' if takes_back else 'was'} {uri}"

    click.echo(with_school(directory, act))


def _among(tx: Transaction, uris: tuple[str, ...], typed: str) -> str | None:
    """The one of these accounts that is meant by what was typed, as far as we know them."""
    wanted = typed.removeprefix("acct:").lstrip("@").casefold()
    for uri in uris:
        known = actors.by_uri(tx, uri)
        if typed == uri or (known and known.handle.lstrip("@").casefold() == wanted):
            return uri
    return None


async def account_named(server: Server, typed: str) -> str:
    """The id of the account that is meant by an id or a handle.

    By its id an account may be named whose server cannot be reached now. Raises ClickException.
    """
    try:
        if not typed.startswith(("https://", "http://")):
            return (await handles.find(server, typed)).uri
        uri = addresses.canonical(typed, server.rules)
        try:
            return (await remote.actor(server, uri)).uri
        except Unreachable:
            return uri
    except Gone:
        raise click.ClickException(f"{typed}: there is no such account") from None
    except WireError as error:
        raise click.ClickException(f"{typed}: {error}") from None


def _taken(tx: Transaction, username: str) -> str:
    """Why nobody else gets that username."""
    actor = actors.local_by_username(tx, members.normal_username(username))
    if actor is not None and actor.state == "deleted":
        return f"{username} was removed, and their username is never given again"
    return f"the username {username} is taken"


def member_called(tx: Transaction, username: str) -> Actor:
    """The member of staff of that name; raises ClickException where there is none."""
    actor = actors.local_by_username(tx, username.strip().removeprefix("@"))
    if actor is None or actor.type != "Person" or actor.state == "deleted":
        raise click.ClickException(f"nobody here is called {username}")
    return actor


async def _hashed(server: Server, typed: str, username: str) -> str:
    try:
        return await accounts.hashed(server, typed, username=username)
    except BadPassword as error:
        raise click.ClickException(f"not a good password: {error}") from None


def _first_line() -> str:
    """What stands on stdin, up to the end of its first line."""
    return sys.stdin.readline().rstrip("\r\n")


def _typed_twice() -> str:
    if not sys.stdin.isatty():
        raise click.ClickException("nobody is here to type a password: use --password-stdin")
    typed = click.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    return str(typed)


def _make_sure(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.ClickException("nobody is here to ask whether it is meant: say --yes")
    click.confirm(question, abort=True, err=True)
