"""`staffroom reports …`: what was reported to the administrator, by our people and by others."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from actors.collections import LARGEST_ID
from staffroom.arguments import directory_option
from staffroom.command import read, write
from storage import reports as kept
from storage import sql
from storage.database import Transaction
from storage.reports import Report

Page = Callable[..., list[Report]]


class Number(click.IntRange):
    """As it is called where something else was typed."""

    name = "number"


@click.group(no_args_is_help=True)
@directory_option
def reports(directory: Path) -> None:
    """People and posts that somebody reported.

    \b
    Example:
      staffroom reports list
    """


@reports.command("list")
@click.option("--all", "with_closed", is_flag=True, help="Those too that were closed.")
@directory_option
def list_(directory: Path, with_closed: bool) -> None:
    """Print the open reports, the latest first: number, time, about whom, by whom, why, posts.

    \b
    Example:
      staffroom reports list --all
    """

    def look(tx: Transaction) -> list[Report]:
        found = list(_whole(tx, kept.open_ones))
        if with_closed:
            found += _whole(tx, kept.closed_ones)
        return sorted(found, key=lambda report: report.id, reverse=True)

    found = read(directory, look)
    for report in found:
        click.echo("\t".join(_words(report)))
    if not found and sys.stdout.isatty():
        click.echo("no reports" if with_closed else "no open reports")


@reports.command()
@click.argument("number", metavar="ID", type=Number(1, LARGEST_ID))
@directory_option
def close(directory: Path, number: int) -> None:
    """Note that the report with the number ID was looked after.

    \b
    Example:
      staffroom reports close 1875117500006404120
    """

    def end(tx: Transaction) -> None:
        if kept.close(tx, number):
            return
        known = kept.by_id(tx, number)
        raise click.ClickException(
            f"there is no report {number}" if known is None else f"{number} was closed already"
        )

    write(directory, end)
    click.echo(f"{number} is closed")


def _whole(tx: Transaction, page: Page) -> Iterator[Report]:
    """All of a list, page by page."""
    before: int | None = None
    while found := page(tx, before=before, limit=sql.LARGEST_PAGE):
        yield from found
        before = found[-1].id


def _words(report: Report) -> list[str]:
    return [
        str(report.id),
        report.created_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        "open" if report.closed_at is None else "closed",
        f"about {report.subject.handle}",
        f"by {report.reporter.handle}",
        _plain(report.reason) or "no reason given",
        " ".join(_plain(uri) for uri in report.posts),
    ]


def _plain(text: str) -> str:
    """One line of what somebody wrote, without what could move the cursor of a terminal."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
