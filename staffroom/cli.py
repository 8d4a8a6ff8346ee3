"""The command line: everything an administrator types.

`COMMANDS` says where each command is; it is imported when it is asked for, so that a school that
is served holds nothing of the demo or the migrations in memory. `staffroom COMMAND --help` shows
an example. `staff`, `peers`, `project` and the other groups work while the school is being served:
they are a second process on the same database.
"""

import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path

import click

from staffroom.arguments import EXPECTED, directory_option

# The command: the file it is in, and what it is called there.
COMMANDS = {
    "init": "staffroom.init_command:init",
    "serve": "staffroom.serve_command:serve",
    "migrate": "staffroom.migrate_command:migrate",
    "config": "staffroom.config_command:config_group",
    "staff": "staffroom.staff_commands:staff",
    "peers": "staffroom.peer_commands:peers",
    "reports": "staffroom.report_commands:reports",
    "move": "staffroom.move_commands:move",
    "project": "staffroom.project_commands:project",
    "fsck": "staffroom.fsck_command:fsck",
    "backup": "staffroom.backup_commands:backup",
    "restore": "staffroom.backup_commands:restore",
    "demo": "staffroom.demo_command:demo_command",
    "bench": "staffroom.bench.command:bench",
}


class Shelf(MutableMapping[str, click.Command]):
    """The commands by name, each taken down when it is asked for."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> click.Command:
        file, _, word = self._places[name].partition(":")
        found = getattr(import_module(file), word)
        assert isinstance(found, click.Command)
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError("a command is a line of COMMANDS")

    def __delitem__(self, name: str) -> None:
        raise TypeError("a command is a line of COMMANDS")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@click.group(no_args_is_help=True, commands=Shelf(COMMANDS))
@click.version_option(package_name="staffroom")
@directory_option
def cli(directory: Path) -> None:
    """Staffroom: a federated collaboration server for the people who work in schools.

    \b
    Example:
      staffroom init --domain oakfield.example --name "Oakfield School"
      staffroom staff add alice --name "Alice Okafor"
      staffroom serve
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its status; whatever is wrong is one line on stderr."""
    try:
        status = cli.main(arguments, prog_name="staffroom", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message())
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        sys.exit(130)
    except EXPECTED as error:
        _complain(str(error) or type(error).__name__)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _complain(text: str) -> None:
    click.echo(f"staffroom: {' '.join(text.split())}", err=True)
