"""The one file that a school fits into: a tar archive, compressed, that any other tool opens too.

    about.json       which school, when, by which version, and the SHA-256 of each part
    staffroom.toml   its settings
    secret           what opens its signing keys
    school.sqlite    everything it keeps

It comes into being under another name and gets its own when it is whole and on the disk.
"""

import hashlib
import json
import os
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

FORMAT = 1
ABOUT = "about.json"
SETTINGS = "staffroom.toml"
KEY = "secret"
DATABASE = "school.sqlite"
PARTS = (SETTINGS, KEY, DATABASE)

# Ours are smaller; a longer one was not made by us.
LONGEST_SMALL_PART = 1024 * 1024
CHUNK = 1024 * 1024
# Most of a database is text: even the quickest way makes a quarter of it.
COMPRESSION = 1

# How many bytes are over, and how many there are.
Progress = Callable[[int, int], None]


class BadBackup(Exception):
    """A backup that cannot be used; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class About:
    """What a backup says of itself."""

    format: int
    staffroom: str  # the version that made it
    host: str
    engine: str  # what the school ran on: sqlite|postgresql
    taken_at: str  # RFC 3339, UTC
    rows: dict[str, int]  # in each table
    parts: dict[str, Part]


# --- making one ----------------------------------------------------------------------------------


def measure(file: Path) -> Part:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
    return Part(file.stat().st_size, digest.hexdigest())


def write(folder: Path, about: About, target: Path, progress: Progress) -> None:
    """Put the parts that lie in `folder` into `target`, which is replaced if it is there."""
    whole = sum(part.size for part in about.parts.values())
    archive = folder / "archive"
    with (
        private(archive) as out,
        tarfile.open(fileobj=out, mode="w:gz", compresslevel=COMPRESSION) as tar,
    ):
        text = json.dumps(asdict(about)).encode()
        _add(tar, ABOUT, BytesIO(text), len(text))
        over = 0
        for name in PARTS:
            with (folder / name).open("rb") as source:
                counted = Counted(source, partial(_shift, progress, over, whole))
                _add(tar, name, counted, about.parts[name].size)
            over += about.parts[name].size
    archive.replace(target)
    sync_directory(target.parent)


def _add(tar: tarfile.TarFile, name: str, source: Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(time.time())
    tar.addfile(member, source)


class Counted:
    """A file that says how far it was read."""

    def __init__(self, file: IO[bytes], progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress
        self._over = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._over += len(chunk)
        self._progress(self._over)
        return chunk


def _shift(progress: Progress, before: int, whole: int, over: int) -> None:
    progress(before + over, whole)


@contextmanager
def private(file: Path) -> Iterator[IO[bytes]]:
    """A new file that its owner alone can read, on the disk when the body is left."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def sync_directory(folder: Path) -> None:
    """What was renamed in `folder` is found there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- reading one ---------------------------------------------------------------------------------


def peek(file: Path) -> tuple[About, bytes]:
    """What a backup says of itself, and the settings in it. Raises BadBackup, OSError."""
    with _opened(file) as tar:
        about = _about(tar)
        return about, _next(tar, SETTINGS).read(LONGEST_SMALL_PART)


def unpack(file: Path, place: Callable[[str], Path], progress: Progress) -> None:
    """Write each part of the backup `file` to where `place` says, a new private file each.

    Raises BadBackup for whatever is not whole, and OSError.
    """
    with _opened(file, progress) as tar:
        about = _about(tar)
        for name in PARTS:
            _unpack(_next(tar, name), name, about.parts[name], place(name))


@contextmanager
def _opened(
    file: Path, progress: Progress = lambda _over, _whole: None
) -> Iterator[tarfile.TarFile]:
    whole = file.stat().st_size
    with file.open("rb") as source:
        counted = Counted(source, lambda over: progress(over, whole))
        try:
            with tarfile.open(fileobj=counted, mode="r|gz") as tar:  # type: ignore[call-overload]
                yield tar
        except (tarfile.TarError, zlib.error, EOFError) as error:
            raise BadBackup(f"{file} is damaged, cut short or no backup: {error}") from None
        except BadBackup as error:
            raise BadBackup(f"{file} {error}") from None


def _unpack(source: IO[bytes], name: str, part: Part, target: Path) -> None:
    digest, left = hashlib.sha256(), part.size
    with private(target) as out:
        while left > 0 and (chunk := source.read(min(CHUNK, left))):
            digest.update(chunk)
            out.write(chunk)
            left -= len(chunk)
    if left or source.read(1) or digest.hexdigest() != part.sha256:
        raise BadBackup(f"is damaged: {name} is not what was put in")


def _next(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    member = tar.next()
    if member is None or member.name != name or member.type != tarfile.REGTYPE:
        raise BadBackup(f"is no backup of a school, or cut short: {name} is missing")
    source = tar.extractfile(member)
    assert source is not None
    return source


def _about(tar: tarfile.TarFile) -> About:
    text = _next(tar, ABOUT).read(LONGEST_SMALL_PART)
    try:
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise BadBackup(
                f"was made by Staffroom {said['staffroom']}, which writes backups in another form"
            )
        parts = {name: Part(**said["parts"][name]) for name in PARTS}
        if not all(isinstance(part.size, int) for part in parts.values()):
            raise TypeError
        return About(**{**said, "parts": parts})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadBackup(f"is no backup of a school: {ABOUT} cannot be read") from None
