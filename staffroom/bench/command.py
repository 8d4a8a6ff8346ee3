"""`staffroom bench`: measure this machine."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop
from rich.console import Console

from staffroom.arguments import directory_option
from staffroom.bench import deliver, effects, growth, intake, start, table, timeline
from staffroom.bench.figures import Figure
from staffroom.bench.load import BenchFailed, Ground, told

Bench = Callable[[Ground], AsyncIterator[Figure]]

BENCHES: dict[str, Bench] = {
    "intake": intake.run,
    "effects": effects.run,
    "deliver": deliver.run,
    "timeline": timeline.run,
    "start": start.run,
    "growth": growth.run,
}
SQLITE = "sqlite"


def _known(
    _context: click.Context, _parameter: click.Parameter, urls: tuple[str, ...]
) -> tuple[str, ...]:
    """Raise BadParameter for what is neither SQLite nor a PostgreSQL server."""
    for url in urls:
        if url != SQLITE and not url.startswith(("postgresql://", "postgresql+psycopg://")):
            raise click.BadParameter(f"{url} is neither {SQLITE} nor postgresql://…")
    return urls


@click.command("bench")
@click.argument("names", nargs=-1, type=click.Choice([*BENCHES]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each figure.")
@click.option("--quick", is_flag=True, help="Small and once: to see that it runs, not how fast.")
@click.option(
    "--database-url",
    "urls",
    metavar="URL",
    multiple=True,
    default=[SQLITE],
    show_default=True,
    callback=_known,
    help="sqlite, or postgresql://… of a server where databases may be made; several in turn.",
)
@directory_option
def bench(
    names: tuple[str, ...], as_json: bool, quick: bool, urls: tuple[str, ...], directory: Path
) -> None:
    """Measure this machine, each figure beside its ceiling: all benches, or those of NAMES.

    Each founds schools of its own, which are gone afterwards; the one in --data is not touched.

    \b
    Example:
      staffroom bench intake --json
      staffroom bench --database-url postgresql://bench:secret@localhost/postgres
    """
    found: table.Found = []
    failures: list[BenchFailed] = []

    async def measure(name: str, ground: Ground) -> None:
        async for figure in BENCHES[name](told(ground, name)):
            found.append((ground.database, figure))
            if as_json:
                click.echo(table.line(*found[-1]))

    for url in urls:
        for name in names or [*BENCHES]:
            try:
                with _ground(url, quick) as ground:
                    uvloop.run(measure(name, ground))
            except BenchFailed as failure:  # the others are wanted all the same
                failures.append(BenchFailed(f"{name}: {failure.message}"))
    if found and not as_json:
        table.show(found)
    if failures:
        raise BenchFailed("; ".join(failure.message for failure in failures))


@contextmanager
def _ground(url: str, quick: bool) -> Iterator[Ground]:
    """A folder that is gone afterwards, and on a terminal a line that says what goes on."""
    console = Console(stderr=True)
    postgresql = None if url == SQLITE else url
    with (
        tempfile.TemporaryDirectory(prefix="staffroom-bench-") as folder,
        console.status("") as status,
    ):
        on = "PostgreSQL" if postgresql else "SQLite"
        yield Ground(Path(folder), postgresql, quick, lambda words: status.update(f"{on}, {words}"))
