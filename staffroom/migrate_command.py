"""`staffroom migrate`: the tables that this version needs, here or in another database."""

import os
from pathlib import Path

import click

from staffroom import app, config
from staffroom.arguments import directory_option
from staffroom.config import CannotOpen, Settings
from staffroom.fsck_command import shown
from storage import carrying, schema
from storage import migrate as migrations
from storage.backup import NotEmpty
from storage.carrying import Carried
from storage.copying import Incomplete


@click.command()
@click.option(
    "--to",
    "target",
    metavar="URL",
    help="Carry everything to this PostgreSQL database, which is empty: postgresql://…",
)
@directory_option
def migrate(directory: Path, target: str | None) -> None:
    """Bring the database up to this version; nothing happens if it is.

    With --to a school leaves its SQLite file for PostgreSQL. It is closed meanwhile. Every table is
    counted on both sides before the settings name the new database; the file stays as it was.

    \b
    Example:
      staffroom migrate --data /srv/oakfield
      staffroom migrate --data /srv/oakfield --to postgresql://staffroom@localhost/oakfield
    """
    settings = config.load(directory)
    with app.serving_alone(settings):
        if target is None:
            _bring_up_to_date(settings)
        else:
            _carry(settings, target)


def _bring_up_to_date(settings: Settings) -> None:
    before = schema.state(settings.database.url)
    migrations.upgrade(settings.database.url)
    click.echo("the database is current" if before == "current" else "the database is now current")


def _carry(settings: Settings, target: str) -> None:
    _check(settings, target)
    try:
        with (
            shown("carrying") as progress,
            carrying.carried(settings.database.url, target, progress) as tables,
        ):
            config.change(settings.directory, "database.url", target)
    except (NotEmpty, Incomplete) as error:
        raise CannotOpen(f"{error}; nothing was changed") from None
    _tell(tables)
    file = schema.parse(settings.database.url).database
    click.echo(
        f"everything is in PostgreSQL, and {config.FILE} says so. {file} stays as it was: to go "
        f"back, put {config.FILE}.before in the place of {config.FILE} while the school is "
        "closed; what came since is then lost"
    )


def _check(settings: Settings, target: str) -> None:
    """Raises CannotOpen for what cannot be done."""
    try:
        to_sqlite = schema.on_sqlite(target)
    except ValueError:
        to_sqlite = True
    if to_sqlite:
        raise CannotOpen("--to must be a PostgreSQL database: postgresql://user:password@host/name")
    if not schema.on_sqlite(settings.database.url):
        raise CannotOpen("this school is on PostgreSQL already")
    if config.DATABASE_VARIABLE in os.environ:
        raise CannotOpen(f"{config.DATABASE_VARIABLE} names the database: take it away first")


def _tell(tables: list[Carried]) -> None:
    """One line for each table: how many rows it has, before and after."""
    widest = max(len(one.table) for one in tables)
    for one in sorted(tables, key=lambda one: one.table):
        click.echo(f"{one.table:<{widest}} {one.before:>12,} {one.after:>12,}")
    before, after = sum(one.before for one in tables), sum(one.after for one in tables)
    click.echo(f"{'in all':<{widest}} {before:>12,} {after:>12,}")
