"""`staffroom config`: what can be set."""

from pathlib import Path

import click

from staffroom import config
from staffroom.arguments import directory_option


@click.group("config", no_args_is_help=True)
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
