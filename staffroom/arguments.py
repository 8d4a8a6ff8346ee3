"""What every command takes, and what may go wrong with it without a mistake in the program.

Light, because it comes before everything else: how many processes serve is known before what they
need is imported.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from actors.staff import BadUsername
from federation.errors import WireError
from staffroom.config import BadSetting, CannotOpen
from storage.schema import NewerSchema, OlderSchema
from storage.transaction import Busy, Unavailable

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DIRECTORY = Path("staffroom-data")

# Told in one line.
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
