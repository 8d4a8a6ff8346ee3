"""`staffroom serve`: the school opens."""

import os
import shutil
from importlib import import_module
from pathlib import Path

import click

from staffroom import config
from staffroom.arguments import directory_option
from staffroom.config import CannotOpen, Settings
from storage import schema

MOST_PROCESSES = 64
# Where the figures of several processes come together for /metrics, below the data directory.
FIGURES = "metrics"


@click.command()
@click.option("--host", metavar="H", help="Address to listen on.  [default: server.listen]")
@click.option("--port", metavar="P", type=click.IntRange(0, 65535), help="[default: server.port]")
@click.option(
    "--workers",
    "processes",
    metavar="N",
    type=click.IntRange(0, MOST_PROCESSES),
    default=1,
    show_default=True,
    help="How many processes serve; more than 1 with PostgreSQL only. 0: the doors are open, and "
    "what comes is left to another process.",
)
@click.option("--traffic", is_flag=True, help="Write down each activity that comes and goes.")
@directory_option
def serve(
    directory: Path, host: str | None, port: int | None, processes: int, traffic: bool
) -> None:
    """Open the school. Writes `ready URL` on stdout once it answers; ends on SIGTERM.

    \b
    Example:
      staffroom serve --data /srv/oakfield --host 127.0.0.1 --port 8000
    """
    settings = config.load(directory)
    if processes > 1:
        _prepare_for_several(settings, processes)
    # Not before: what counts for /metrics looks at the environment when it is imported.
    serving = import_module("staffroom.serving")
    serving.serve(settings, host, port, processes, traffic=traffic)


def _prepare_for_several(settings: Settings, processes: int) -> None:
    """Raises CannotOpen where only one process can serve."""
    if schema.on_sqlite(settings.database.url):
        raise CannotOpen(
            f"with SQLite one process serves a school: --workers {processes} needs PostgreSQL "
            "(staffroom migrate --to postgresql://…)"
        )
    folder = settings.directory / FIGURES
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
