"""The command line: everything an administrator types.

Each command is one function below or in a file of its group, `staff_commands` and the like;
`staffroom COMMAND --help` shows an example. `staff`, `peers`, `project` and the other groups work
while the school is being served: they are a second process on the same database.
"""

import sys
from pathlib import Path

import click

from staffroom import app, bench, config, demo, founding, serving
from staffroom.command import EXPECTED, directory_option
from staffroom.move_commands import move
from staffroom.peer_commands import peers
from staffroom.project_commands import project
from staffroom.report_commands import reports
from staffroom.staff_commands import staff
from storage import migrate as migrations


@click.group(no_args_is_help=True)
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


@cli.command()
@click.option("--domain", required=True, metavar="HOST", help="name[:port]; never changes.")
@click.option("--name", required=True, help="The school's name as people read it.")
@click.option("--database-url", metavar="URL", help="postgresql://…  [default: SQLite in DIR]")
@click.option("--public-url", metavar="URL", help="[default: https://HOST]")
@click.option(
    "--mode",
    type=click.Choice(["network", "open"]),
    help="Whom we talk to: schools that were allowed, or all.  [default: network]",
)
@click.option(
    "--danger-allow-http", is_flag=True, help="For schools on one machine: no TLS, any port."
)
@click.option(
    "--danger-allow-private-addresses",
    is_flag=True,
    help="For schools on one machine: loopback, private and numeric hosts.",
)
@directory_option
def init(
    directory: Path,
    domain: str,
    name: str,
    database_url: str | None,
    public_url: str | None,
    mode: str | None,
    danger_allow_http: bool,
    danger_allow_private_addresses: bool,
) -> None:
    """Found a school in an empty directory.

    \b
    Example:
      staffroom init --data /srv/oakfield --domain oakfield.example --name "Oakfield School"
    """
    founding.found(
        directory,
        {
            "server.host": domain,
            "server.name": name,
            "server.public_url": public_url,
            "database.url": database_url,
            "federation.mode": mode,
            "federation.danger_allow_http": danger_allow_http or None,
            "federation.danger_allow_private_addresses": danger_allow_private_addresses or None,
        },
    )
    click.echo(f"{name} is founded in {directory}. Next: staffroom --data {directory} staff add …")


@cli.command()
@click.option("--host", metavar="H", help="Address to listen on.  [default: server.listen]")
@click.option("--port", metavar="P", type=click.IntRange(0, 65535), help="[default: server.port]")
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(0, 16),
    default=1,
    show_default=True,
    help="How many here work on what arrived; 0 leaves that to another process.",
)
@click.option("--traffic", is_flag=True, help="Write down each activity that comes and goes.")
@directory_option
def serve(directory: Path, host: str | None, port: int | None, workers: int, traffic: bool) -> None:
    """Open the school. Writes `ready URL` on stdout once it answers; ends on SIGTERM.

    \b
    Example:
      staffroom serve --data /srv/oakfield --host 127.0.0.1 --port 8000
    """
    serving.serve(config.load(directory), host, port, workers, traffic=traffic)


@cli.command()
@directory_option
def migrate(directory: Path) -> None:
    """Bring the database up to this version; nothing happens if it is.

    \b
    Example:
      staffroom migrate --data /srv/oakfield
    """
    settings = config.load(directory)
    with app.serving_alone(settings):
        before = migrations.state(settings.database.url)
        migrations.upgrade(settings.database.url)
    click.echo("the database is current" if before == "current" else "the database is now current")


@cli.group("config", no_args_is_help=True)
@directory_option
def config_group(directory: Path) -> None:
    """What can be set.

    \b
    Example:
      staffroom config describe
    """


@config_group.command("describe")
@directory_option
def config_describe(directory: Path) -> None:
    """Print every setting with its environment variable, default and meaning.

    \b
    Example:
      staffroom config describe
    """
    click.echo(config.describe())


@cli.command("demo")
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


@cli.command("bench")
@click.argument("name", required=False, type=click.Choice([*bench.BENCHES]))
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on stdout.")
@directory_option
def bench_command(directory: Path, name: str | None, as_json: bool) -> None:
    """Measure this machine: intake or deliver, each beside its ceiling; both without a NAME.

    \b
    Example:
      staffroom bench intake --json
    """
    bench.measure([name] if name else [*bench.BENCHES], as_json=as_json)


cli.add_command(staff)
cli.add_command(peers)
cli.add_command(reports)
cli.add_command(move)
cli.add_command(project)


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
