"""`staffroom staff …`: who works here."""

from pathlib import Path

import click

from actors import accounts
from actors import staff as members
from staffroom.command import directory_option, read, write
from storage import accounts as kept_accounts
from storage import actors, tokens
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
) -> None:
    """Add a member of staff. Prints their handle.

    \b
    Example:
      staffroom staff add alice --name "Alice Okafor" --title "Head of Science" --subject Physics
    """

    def join(tx: Transaction) -> list[str]:
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
            raise click.ClickException(f"the username {username} is taken") from None
        token = [accounts.issue_token(tx, actor, accounts.SCOPES)] if with_token else []
        return [actor.handle, *token]

    for line in write(directory, join):
        click.echo(line)


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
            return accounts.issue_token(tx, _member(tx, username), scopes.split())
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
    """End what USERNAME may do here: nobody acts in their name, their tokens end at once.

    \b
    Example:
      staffroom staff suspend alice
    """

    def close(tx: Transaction) -> str:
        actor = _member(tx, username)
        tokens.revoke_all(tx, actor.id)
        return actors.update_local(tx, actor.id, state="suspended").handle

    click.echo(f"{write(directory, close)} is suspended")


def _member(tx: Transaction, username: str) -> Actor:
    """The member of staff of that name; raises ClickException where there is none."""
    actor = actors.local_by_username(tx, username.strip().removeprefix("@"))
    if actor is None or actor.type != "Person" or actor.state == "deleted":
        raise click.ClickException(f"nobody here is called {username}")
    return actor
