"""`staffroom backup` and `staffroom restore`: a whole school in one file, and back again."""

import os
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import click

from staffroom import backup_file, config, soundness
from staffroom.arguments import directory_option
from staffroom.backup_file import DATABASE, KEY, SETTINGS, About, BadBackup
from staffroom.fsck_command import shown, tell
from storage import backup as copies
from storage import schema, snapshot
from storage.backup import NotEmpty
from storage.copying import Incomplete

# What a fresh disk has of its own.
NOTHING = {"lost+found"}
BEING_RESTORED = ".being-restored"


# --- backup --------------------------------------------------------------------------------------


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@directory_option
def backup(directory: Path, file: Path) -> None:
    """Write the whole school into FILE, while it is open: database, settings and keys.

    FILE is replaced if it is there, and only once the new one is whole. Whoever has it can speak
    as this school: keep it as safe as the school itself.

    \b
    Example:
      staffroom backup --data /srv/oakfield /var/backups/oakfield.backup
    """
    settings = config.load(directory)
    target = file.absolute()
    if not target.parent.is_dir():
        raise click.ClickException(f"there is no folder {target.parent}")
    with (
        _put_right(),
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as made,
    ):
        folder = Path(made)
        with backup_file.private(folder / SETTINGS) as out:
            out.write((directory / config.FILE).read_bytes())
        with backup_file.private(folder / KEY) as out:
            out.write(config.secret(directory))
        taken_at = datetime.now(UTC)
        with shown("copying") as progress:
            rows = copies.take(settings.database.url, folder / DATABASE, progress)
        about = About(
            format=backup_file.FORMAT,
            staffroom=version("staffroom"),
            host=settings.server.host,
            engine="sqlite" if schema.on_sqlite(settings.database.url) else "postgresql",
            taken_at=taken_at.isoformat(timespec="seconds"),
            rows=rows,
            parts={name: backup_file.measure(folder / name) for name in backup_file.PARTS},
        )
        with shown("writing") as progress:
            backup_file.write(folder, about, target, progress)
    size = target.stat().st_size / 1_000_000
    click.echo(f"{file} holds {settings.server.host}: {sum(rows.values()):,} rows, {size:,.1f} MB")


@contextmanager
def _put_right() -> Iterator[None]:
    """What goes wrong is told in one line, and nothing half made is left, whoever ends us."""

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    # The parts are readable by their owner alone, and so is whatever SQLite makes beside them.
    mask = os.umask(0o077)
    try:
        yield
    except (BadBackup, NotEmpty, Incomplete) as error:
        raise click.ClickException(str(error)) from error
    finally:
        os.umask(mask)
        signal.signal(signal.SIGTERM, before)


# --- restore -------------------------------------------------------------------------------------


@dataclass
class NewHome:
    """The directory in which a school comes back, and what was put there so far."""

    directory: Path
    workshop: Path  # parts that are not checked yet
    files: list[Path] = field(default_factory=list)

    def take(self, part: Path, place: Path) -> None:
        """Move a part to its place, and have it there after a power cut, too."""
        self.files.append(place)
        shutil.move(part, place)
        with place.open("rb") as moved:
            os.fsync(moved.fileno())
        backup_file.sync_directory(place.parent)


@click.command()
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE"
)
@click.option(
    "--database-url",
    metavar="URL",
    help="Keep everything there from now on; an empty database.  [default: as it was]",
)
@click.option("--unchecked", is_flag=True, help="Also if fsck would find something broken.")
@directory_option
def restore(directory: Path, file: Path, database_url: str | None, unchecked: bool) -> None:
    """Bring a school back from FILE, into an empty directory and an empty database.

    It is checked as `staffroom fsck` does before it is said to be there; if anything is wrong,
    nothing is left behind. What waited for others goes out when it is served, under the same ids.
    Everybody signs in again. The old school has to be off for good.

    \b
    Example:
      staffroom restore --data /srv/oakfield /var/backups/oakfield.backup
    """
    with _put_right(), _empty(directory) as home:
        about, text = backup_file.peek(file)
        settings = _settings(directory, text, database_url)
        url = settings.database.url
        copies.require_empty(url)
        with shown("reading") as progress:
            backup_file.unpack(file, home.workshop.joinpath, progress)
        secret = _secret(home.workshop)
        copy = home.workshop / DATABASE
        copies.modernise(copy)
        with snapshot.of(f"sqlite:///{copy}") as tx, shown("checking") as progress:
            health = soundness.look(tx, secret, progress=progress)
        if any(finding.vital or not unchecked for finding in health.findings):
            raise click.ClickException(
                f"{file} holds a school that is broken ({health.findings[0]}); "
                "--unchecked restores it all the same, if that is possible"
            )
        copies.let_go(copy)
        if schema.on_sqlite(url):
            home.take(copy, Path(schema.parse(url).database or ""))
        else:
            with shown("restoring") as progress:
                copies.give_to_postgresql(copy, url, progress)
        home.take(home.workshop / KEY, directory / config.KEY_FILE)
        if database_url is not None:
            (home.workshop / SETTINGS).unlink()
            config.write(home.workshop, _named(text) | {"database.url": database_url})
        home.take(home.workshop / SETTINGS, directory / config.FILE)
    click.echo(f"{about.host} is in {directory} as it was at {about.taken_at}")
    if not unchecked:
        tell(health, about.host)


@contextmanager
def _empty(directory: Path) -> Iterator[NewHome]:
    """A directory with nothing in it; with nothing again if the body fails. Raises NotEmpty."""
    new = not directory.exists()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    workshop = directory / BEING_RESTORED
    shutil.rmtree(workshop, ignore_errors=True)  # of somebody whom the power left
    if any(one.name not in NOTHING for one in directory.iterdir()):
        raise NotEmpty(f"{directory} is not empty: a school comes back into an empty directory")
    home = NewHome(directory, workshop)
    try:
        workshop.mkdir(mode=0o700)
        yield home
    except BaseException:
        for file in home.files:
            file.unlink(missing_ok=True)
        shutil.rmtree(workshop, ignore_errors=True)
        if new:
            directory.rmdir()
        raise
    shutil.rmtree(workshop)


def _settings(directory: Path, text: bytes, database_url: str | None) -> config.Settings:
    """The settings of the school as it will be. Raises BadSetting, BadBackup."""
    written = _parsed(text)
    if database_url is not None:
        written = {**written, "database": {"url": database_url}}
    settings = config.read(directory, written, os.environ)
    if database_url is not None and settings.database.url != database_url:
        raise BadBackup("STAFFROOM_DATABASE__URL and --database-url name two databases")
    return settings


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode())
    except ValueError:
        raise BadBackup(f"the {SETTINGS} in it cannot be read") from None


def _named(text: bytes) -> dict[str, object]:
    """The settings by `section.key`."""
    return {
        f"{section}.{key}": value
        for section, content in _parsed(text).items()
        for key, value in content.items()
    }


def _secret(folder: Path) -> bytes:
    """The secret that comes with the backup, which must be the one that the environment gives."""
    kept = (folder / KEY).read_bytes()
    if config.secret(folder) != kept:
        raise BadBackup("STAFFROOM_SECRET is not the secret of this backup: leave it out")
    return kept
