"""`staffroom fsck`: whether a school is sound, also while it is being served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from staffroom import config, soundness
from staffroom.arguments import directory_option
from staffroom.soundness import Health
from storage import snapshot


@click.command()
@click.option("--all", "everything", is_flag=True, help="Go on after the first thing found.")
@directory_option
def fsck(directory: Path, everything: bool) -> None:
    """Check that the school is sound: nothing lost, nothing twice, nothing stuck.

    Looks at one moment of the database, be the school open or not, and changes nothing. Ends with
    0 and one line on what was checked and what is set aside, or else with 1 and what is broken.

    \b
    Example:
      staffroom fsck --data /srv/oakfield --all
    """
    settings = config.load(directory)
    secret = config.secret(directory)
    with snapshot.of(settings.database.url) as tx, shown("checking") as progress:
        health = soundness.look(tx, secret, everything=everything, progress=progress)
    tell(health, settings.server.host, everything=everything)


def tell(health: Health, host: str, *, everything: bool = False) -> None:
    """Say how it is. Raises ClickException, with the first finding, where something is broken."""
    if not health.findings:
        click.echo(f"{host} is sound: {health}")
        return
    first, *_ = health.findings
    if not everything:
        raise click.ClickException(f"{host} is broken: {first}")
    for finding in health.findings:
        click.echo(str(finding))
    raise click.ClickException(
        f"{host} is broken: {len(health.findings)} of {health.checks} checks found something"
    )


@contextmanager
def shown(what: str) -> Iterator[soundness.Progress]:
    """A bar on the terminal while something long goes on; nothing where there is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as on:
        task = on.add_task(what, total=None)
        yield lambda done, of: on.update(task, completed=done, total=of)
