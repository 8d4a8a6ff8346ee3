"""`staffroom init`: a school is founded."""

from pathlib import Path

import click

from staffroom import founding
from staffroom.arguments import directory_option


@click.command()
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
