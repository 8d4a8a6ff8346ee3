"""`staffroom demo`: three schools on this machine."""

from pathlib import Path

import click

from staffroom import demo
from staffroom.arguments import directory_option


@click.command("demo")
@click.option("--seconds", type=click.IntRange(1), help="End after that long.  [default: Ctrl-C]")
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the three schools are kept.  [default: a temporary place]",
)
@directory_option
def demo_command(directory: Path, seconds: int | None, folder: Path | None) -> None:
    """Three schools on this machine, talking to each other, for you to watch.

    \b
    Example:
      staffroom demo --seconds 120
    """
    demo.show(seconds, folder)
