"""`staffroom project …`: the projects of this school, who is in them, who is asked in."""

from datetime import datetime, time
from pathlib import Path

import click

from actors import projects as made
from actors.server import Server
from federation import addresses
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.webfinger import handle as parts_of
from outbox import projects as spoken
from staffroom.arguments import directory_option
from staffroom.command import read, with_school
from staffroom.staff_commands import account_named, member_called
from storage import actors, memberships, projects, sql
from storage.actors import Actor, UsernameTaken
from storage.database import Transaction
from storage.memberships import Membership, Role
from storage.projects import Moves, Project

ROLES: dict[str, Role] = {"lead": "lead", "editor": "editor", "observer": "observer"}
MOVES: dict[str, Moves] = {"automatic": "automatic", "ask": "ask"}
LAST_MOMENT = time(23, 59, 59)

# How somebody stands in a project, in the order in which a list shows them.
STATES = {"member": "member", "invited": "is invited", "asked": "asks to join"}

Line = tuple[str, ...]
day = click.DateTime(formats=["%Y-%m-%d"])


@click.group(no_args_is_help=True)
@directory_option
def project(directory: Path) -> None:
    """Projects of this school, and their members from any school.

    \b
    Example:
      staffroom project list
    """


@project.command()
@click.argument("slug")
@click.option("--name", required=True, help="As people read it.")
@click.option("--owner", required=True, metavar="USERNAME", help="Who leads it, of this school.")
@click.option("--aim", default="", help="What it is for, in a few words.")
@click.option("--private", is_flag=True, help="For everybody who is not in it, it does not exist.")
@click.option("--starts", type=day, metavar="DAY", help="The first day, such as 2026-09-01.")
@click.option("--ends", type=day, metavar="DAY", help="The last day, such as 2027-07-16.")
@click.option(
    "--moves",
    type=click.Choice(MOVES),
    default="automatic",
    show_default=True,
    help="Whether a role goes with a member who moves school, or a lead is asked.",
)
@directory_option
def add(
    directory: Path,
    slug: str,
    name: str,
    owner: str,
    aim: str,
    private: bool,
    starts: datetime | None,
    ends: datetime | None,
    moves: str,
) -> None:
    """Start the project SLUG. Prints its id, which is also the address of its page.

    \b
    Example:
      staffroom project add ks3-practicals --name "KS3 practicals" --owner alice --private
    """

    async def act(server: Server) -> str:
        return await server.database.write(
            begin,
            starts and starts.replace(tzinfo=server.zone),
            ends and datetime.combine(ends, LAST_MOMENT, server.zone),
        )

    def begin(tx: Transaction, starts_at: datetime | None, ends_at: datetime | None) -> str:
        try:
            return made.create(
                tx,
                slug=slug,
                name=name,
                owner=member_called(tx, owner),
                aim=aim,
                openness="private" if private else "open",
                moves=MOVES[moves],
                starts_at=starts_at,
                ends_at=ends_at,
            ).uri
        except UsernameTaken:
            raise click.ClickException(f"the name {slug} is taken") from None
        except ValueError as error:
            raise click.ClickException(str(error)) from None

    click.echo(with_school(directory, act))


@project.command("list")
@directory_option
def list_(directory: Path) -> None:
    """Print the projects of this school: slug, name, open or private, members, who leads it.

    \b
    Example:
      staffroom project list
    """
    for line in read(directory, _projects):
        click.echo("\t".join(line))


@project.command()
@click.argument("slug")
@click.option("--past", is_flag=True, help="Those as well who are in it no more, and until when.")
@directory_option
def members(directory: Path, slug: str, past: bool) -> None:
    """Print who is in SLUG, who is invited, who asks to join: handle, name, role, state, since.

    \b
    Example:
      staffroom project members ks3-practicals
    """
    for line in read(directory, lambda tx: _members(tx, _ours(tx, slug), past)):
        click.echo("\t".join(line))


@project.command()
@click.argument("slug")
@click.argument("typed", metavar="ID_OR_HANDLE")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="editor",
    show_default=True,
    help="What they may do.",
)
@directory_option
def invite(directory: Path, slug: str, typed: str, role: str) -> None:
    """Invite somebody of any school that we talk to into SLUG. They have to accept it.

    \b
    Example:
      staffroom project invite ks3-practicals @bob@riverside.example --role observer
    """

    async def act(server: Server) -> str:
        await server.database.read(_ours, slug)
        return await server.database.write(ask, await account_named(server, _whole(server, typed)))

    def ask(tx: Transaction, uri: str) -> str:
        ours, person = _ours(tx, slug), actors.by_uri(tx, uri)
        if person is None:
            raise click.ClickException(f"{uri} cannot be reached now")
        spoken.invite(tx, ours, person, ROLES[role])
        # Who had asked to be in it was waiting for just that.
        in_it = memberships.role(tx, ours.id, person.id) is not None
        return f"{person.handle} is {'in' if in_it else 'invited into'} {ours.username}"

    click.echo(with_school(directory, act))


@project.command()
@click.argument("slug")
@click.argument("typed", metavar="ID_OR_HANDLE")
@directory_option
def remove(directory: Path, slug: str, typed: str) -> None:
    """Take somebody out of SLUG: a member, an invitation, or who asks to join.

    \b
    Example:
      staffroom project remove ks3-practicals @bob@riverside.example
    """

    async def act(server: Server) -> str:
        return await server.database.write(part, _whole(server, typed), server.rules)

    def part(tx: Transaction, whole: str, rules: Rules) -> str:
        ours = _ours(tx, slug)
        person = _in_it(tx, ours, whole, rules)
        spoken.remove(tx, ours, person)
        return f"{person.handle} is no longer in {ours.username}"

    click.echo(with_school(directory, act))


# --- reading -----------------------------------------------------------------------------------


def _projects(tx: Transaction) -> list[Line]:
    lines: list[Line] = []
    before: int | None = None
    while found := projects.ours(tx, before=before, limit=sql.LARGEST_PAGE):
        lines += [_project(tx, one, actor) for one, actor in found]
        before = found[-1][1].id
    return lines


def _project(tx: Transaction, one: Project, actor: Actor) -> Line:
    number = memberships.count(tx, actor.id)
    leads = ", ".join(lead.handle for lead in memberships.leads(tx, actor.id))
    return (
        actor.username,
        actor.name,
        one.openness,
        f"{number} member" if number == 1 else f"{number:,} members",
        f"led by {leads}" if leads else "led by nobody",
    )


def _members(tx: Transaction, ours: Actor, past: bool) -> list[Line]:
    lines: list[Line] = []
    before: int | None = None
    while found := memberships.members(tx, ours.id, before=before, limit=sql.LARGEST_PAGE):
        lines += [_member(*one) for one in found]
        before = found[-1][0].id
    for state in ("invited", "asked"):
        lines += [_member(*one) for one in memberships.of_state(tx, ours.id, state)]
    return lines + (_were_in_it(tx, ours) if past else [])


def _were_in_it(tx: Transaction, ours: Actor) -> list[Line]:
    lines: list[Line] = []
    before: int | None = None
    while found := memberships.history(tx, ours.id, before=before, limit=sql.LARGEST_PAGE):
        lines += [
            (
                *_member(one, person)[:3],
                "was a member",
                _moment(one.began_at),
                _moment(one.ended_at),
            )
            for one, person in found
            if one.began_at is not None and one.ended_at is not None
        ]
        before = found[-1][0].id
    return lines


def _member(one: Membership, person: Actor) -> Line:
    since = one.began_at or one.created_at
    return (person.handle, person.name, one.role, STATES[one.state], _moment(since))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def _ours(tx: Transaction, slug: str) -> Actor:
    """The project of that name; raises ClickException where there is none."""
    try:
        return made.ours(tx, f"{tx.school.url}/projects/{slug.strip().lower()}")
    except Refused:
        raise click.ClickException(f"there is no project {slug} here") from None


def _in_it(tx: Transaction, ours: Actor, whole: str, rules: Rules) -> Actor:
    """Whoever is meant by an id or handle and has something to do with the project."""
    by_id = actors.by_uris(tx, [whole]).values()
    for person in by_id if _is_id(whole) else actors.by_handle(tx, *parts_of(whole, rules)):
        if memberships.now(tx, ours.id, person.id) is not None:
            return person
    raise click.ClickException(f"{whole} is not in {ours.username}")


def _whole(server: Server, typed: str) -> str:
    """The id or handle that was typed; a name without a host is somebody here."""
    name = typed.strip()
    try:
        if _is_id(name):
            return addresses.canonical(name, server.rules)
        whole = name if "@" in name[1:] else f"{name}@{server.school.host}"
        username, host = parts_of(whole, server.rules)
    except Malformed as error:
        raise click.ClickException(f"{typed!r} is not a handle: {error}") from None
    return f"@{username}@{host}"


def _is_id(typed: str) -> bool:
    return typed.startswith(("https://", "http://"))
