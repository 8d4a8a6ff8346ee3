"""What all commands share: which school they are about, and how they end when something is wrong.

An error is one line on stderr and a status other than 0, whatever went wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from actors.server import Server
from actors.staff import BadUsername
from federation.errors import WireError
from staffroom import app, config
from staffroom.app import CannotOpen
from staffroom.bench_load import BenchFailed
from staffroom.config import BadSetting
from storage.database import Busy, Transaction, Unavailable
from storage.migrate import NewerSchema, OlderSchema

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DIRECTORY = Path("staffroom-data")

# What may go wrong without anybody having made a mistake in the program: told in one line.
EXPECTED = (
    BadSetting,
    CannotOpen,
    Busy,
    Unavailable,
    NewerSchema,
    OlderSchema,
    WireError,
    BadUsername,
    OSError,
    BenchFailed,
)


def directory_option(command: Command) -> Command:
    """Give a command, or a group of them, the option --data."""
    return click.option(
        "--data",
        "directory",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        callback=_nearest,
        help=f"Directory of the school.  [default: ./{DEFAULT_DIRECTORY}]",
    )(command)


def _nearest(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path:
    """What was given here, else what was given before the subcommand, else the usual place."""
    if given is not None:
        return given
    above = context.parent.params.get("directory") if context.parent is not None else None
    return above or DEFAULT_DIRECTORY


def with_school(directory: Path, act: Callable[[Server], Awaitable[T]]) -> T:
    """Open the school in `directory`, whether or not it is being served, and act on it."""

    async def run() -> T:
        async with app.opened(config.load(directory)) as server:
            return await act(server)

    return asyncio.run(run())


def read(directory: Path, fn: Callable[[Transaction], T]) -> T:
    """Ask the database of the school in `directory`."""
    return with_school(directory, lambda server: server.database.read(fn))


def write(directory: Path, fn: Callable[[Transaction], T]) -> T:
    """Change something in the database of the school in `directory`."""
    return with_school(directory, lambda server: server.database.write(fn))
