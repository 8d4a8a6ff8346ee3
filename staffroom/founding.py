"""The first day of a school: its directory, its secret, its database, its own actors."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from actors import local
from staffroom import config
from staffroom.config import CannotOpen, Settings
from storage import migrate, school
from storage.database import Database, School, Transaction


def found(
    directory: Path, values: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Found a school in `directory` with these settings (by `section.key`; None: the default).

    Raises CannotOpen where there is one already, BadSetting for a value that cannot be used. The
    settings are written last, so that a founding that failed can be tried again.
    """
    given = {name: value for name, value in values.items() if value is not None}
    written: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        section, _, key = name.partition(".")
        written.setdefault(section, {})[key] = value
    settings = config.read(directory, written, environ)
    if (directory / config.FILE).exists():
        raise CannotOpen(f"there is a school in {directory} already")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not environ.get("STAFFROOM_SECRET") and not (directory / config.KEY_FILE).exists():
        config.make_secret(directory)
    house = School(
        host=settings.server.host,
        url=settings.server.public_url,
        name=settings.server.name,
        secret=config.secret(directory, environ),
        between_moves=settings.federation.between_moves,
    )
    # Readable by its owner alone from its first byte on, the files beside it as well.
    before = os.umask(0o077)
    try:
        migrate.upgrade(settings.database.url)
        asyncio.run(_open_the_doors(settings, house))
    finally:
        os.umask(before)
    config.write(directory, {**given, "server.host": house.host, "server.public_url": house.url})
    return settings


async def _open_the_doors(settings: Settings, house: School) -> None:
    database = await Database.open(settings.database.url, house)
    try:
        await database.write(_begin, house)
    finally:
        await database.close()


def _begin(tx: Transaction, house: School) -> None:
    """The school's row and actors. A second machine of the same school finds them there."""
    kept = school.get(tx)
    if kept is None:
        school.create(tx, house.host, house.url, house.name)
        local.create_school(tx)
        return
    if (kept.host, kept.url) != (house.host, house.url):
        raise CannotOpen(f"the database holds another school already: {kept.host}")
    try:
        local.instance_signer(tx)
    except Exception:
        raise CannotOpen(
            f"the database holds {kept.host} already, with another secret: set STAFFROOM_SECRET"
        ) from None
