"""The figures of all benches as one table for people, or a line each for programs."""

import click
import orjson
from rich.console import Console
from rich.table import Table

from staffroom.bench.figures import Figure

WIDTH = 170

Found = list[tuple[str, Figure]]  # the database, and what was measured on it


def line(database: str, figure: Figure) -> str:
    """One JSON object."""
    return orjson.dumps(figure.as_json(database)).decode()


def show(found: Found) -> None:
    """The table on stdout, and what it means below it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("what", "on"):
        table.add_column(name)
    for name in ("figure", "ceiling", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("at least / at most")
    table.add_column("", justify="center")
    for database, figure in found:
        table.add_row(
            figure.name,
            database,
            number(figure.value),
            number(figure.ceiling),
            number(figure.ratio),
            figure.unit,
            " and ".join(map(str, figure.targets)),
            ("yes" if figure.met else "no") if figure.targets else "",
        )
    console = Console()
    # In a file or a log a line is as long as it needs to be.
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
    missed = sum(not figure.met for _, figure in found)
    click.echo(f"{len(found)} figures, {len(found) - missed} reach their target.")


def number(value: float | None) -> str:
    """Three digits that count, thousands apart: 1,510, 37.4, 0.0721."""
    if value is None:
        return "–"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(rounded) >= 10 else 2 if abs(rounded) >= 1 else 3
    return f"{value:.{digits}f}"
