"""The disk of these tests does what it is meant to: without that, the other tests show nothing."""

import errno
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.power.disk import NO_END, Disk, Fault

# Commits until it is killed, and says the number of each once SQLite has promised it.
COMMITS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = " + sys.argv[2])
connection.execute("CREATE TABLE IF NOT EXISTS promised (number)")
connection.execute("PRAGMA wal_autocheckpoint = 100")
for number in range(100_000):
    connection.execute("INSERT INTO promised VALUES (?)", (number,))
    print(number, flush=True)
"""

KEPT = """
import os, sys
folder = sys.argv[1]
def written(name, *, synced, times=1):
    fd = os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY)
    for _ in range(times):
        os.write(fd, b"words")
    if synced:
        os.fsync(fd)
    return fd
written("synced, and the folder too", synced=True)
written("only the folder", synced=False)
os.rename(f"{folder}/old name", f"{folder}/new name")
fd = os.open(folder, os.O_RDONLY)
os.fsync(fd)
os.rename(f"{folder}/second", f"{folder}/not renamed")
os.unlink(f"{folder}/not gone")
written("never entered", synced=True)
fd = written("longer than it was", synced=True)
os.write(fd, b" lost")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> Disk:
    (tmp_path / "disk").mkdir()
    return Disk(library, tmp_path / "disk")


def run(disk: Disk, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | disk.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def promised_and_lost(disk: Disk, synchronous: str, chance: random.Random | None) -> int:
    """How many commits were promised before the power went, and are not there."""
    path = disk.folder / f"{synchronous}.sqlite"
    disk.settle()
    with subprocess.Popen(
        [sys.executable, "-c", COMMITS, str(path), synchronous],
        env=os.environ | disk.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        heard = [int(process.stdout.readline()) for _ in range(350)]
        process.kill()
        heard += [int(line) for line in process.stdout if line.endswith("\n")]
    disk.cut(chance)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        try:
            kept = {row[0] for row in connection.execute("SELECT number FROM promised")}
        except sqlite3.OperationalError:  # not even the table
            kept = set()
    connection.close()
    return len(set(heard) - kept)


@pytest.mark.parametrize("chance", [None, random.Random(5)], ids=["all of it", "some pages"])
def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(
    disk: Disk, chance: random.Random | None
) -> None:
    assert promised_and_lost(disk, "FULL", chance) == 0
    assert promised_and_lost(disk, "NORMAL", None) > 0


def test_names_are_lost_too_where_the_folder_was_not_synced(disk: Disk) -> None:
    for name in ("old name", "second", "not gone"):
        (disk.folder / name).write_text(name)
    disk.settle()
    assert run(disk, KEPT, str(disk.folder)).returncode == -9
    assert disk.cut() > 0
    assert {path.name: path.read_text() for path in disk.folder.iterdir()} == {
        "synced, and the folder too": "words",
        "only the folder": "",
        "new name": "old name",
        "second": "second",
        "not gone": "not gone",
    }


WRITES = """
import os, sys
fd = os.open(sys.argv[1] + "/file", os.O_CREAT | os.O_WRONLY)
for number in range(6):
    try:
        print(os.write(fd, b"0123456789"))
        os.fsync(fd)
    except OSError as error:
        print(error.errno)
"""


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault(errno.EIO), "10 10 5 10 10 10"),  # the fifth call: the third write
        (Fault(errno.ENOSPC, times=NO_END), "10 10 28 28 28 28"),
        (Fault(errno.ENOSPC, times=2, cut_short=True), "10 10 5 28 10 10 10"),
    ],
    ids=str,
)
def test_the_chosen_call_fails(disk: Disk, fault: Fault, seen: str) -> None:
    disk.settle()
    disk.fail(fault, after=4)
    assert run(disk, WRITES, str(disk.folder)).stdout.split() == seen.split()
    assert disk.faults > 0


def test_only_so_much_fits(disk: Disk) -> None:
    disk.settle()
    disk.set(room=25)
    assert run(disk, WRITES, str(disk.folder)).stdout.split() == ["10"] * 2 + ["28"] * 4
    disk.mend()
    assert run(disk, WRITES, str(disk.folder)).stdout.split() == ["10"] * 6
