"""A disk whose power can be cut, that fails on demand, and that fills up: the Python side.

`disk.c` is built once in a run with the C compiler of this machine, and preloaded into a school.
Whatever is on the disk when the power goes is what its shadow holds.
"""

import errno
import mmap
import os
import random
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("disk.c")
HOW = "needs a C compiler (make tools)"

# The numbers of `struct control`, in their order.
NUMBERS = ("calls", "fail_at", "fail_times", "error", "cut_short", "room", "sync_takes", "faults")
NO_END = -1
# What SQLite makes anew after a crash, and the room set aside for a full disk.
NOTHING_IN_THEM = ("-shm", "-reserve")
SYNC_TAKES = 3_000  # microseconds, as on a usual disk; longer than the writes before it
PAGE = 4096  # bytes; what a disk writes whole or not at all


def build(folder: Path) -> Path:
    """The library. Skips where there is no compiler, except in CI."""
    compiler = shutil.which("cc")
    if compiler is None:
        if os.environ.get("CI"):
            raise RuntimeError(f"the crash tests of CI {HOW.partition(' (')[0].lower()}")
        pytest.skip(HOW)
    library = folder / "disk.so"
    options = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread")
    subprocess.run(
        [compiler, *options, "-o", str(library), str(SOURCE), "-ldl"], check=True, timeout=120
    )
    return library


@dataclass(frozen=True)
class Fault:
    """What goes wrong: `error` (an errno) at `times` calls in a row (NO_END: at all that follow);
    `cut_short`: the first of them writes half of what it was given."""

    error: int
    times: int = 1
    cut_short: bool = False

    def __str__(self) -> str:
        words = [errno.errorcode[self.error]]
        if self.cut_short:
            words.insert(0, "half a write, then")
        if self.times == NO_END:
            words.append("for good")
        return " ".join(words)


class Disk:
    """The disk that holds one folder."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.folder = folder.resolve()
        self.shadow = self.folder.with_name(f"{folder.name}.shadow")
        self._library = library
        control = self.folder.with_name(f"{folder.name}.control")
        control.write_bytes(bytes(8 * len(NUMBERS)))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), 0)
        self._at = control
        self.set(room=NO_END, sync_takes=SYNC_TAKES)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with to be on this disk."""
        return {
            "LD_PRELOAD": str(self._library),
            "DISK_FOLDER": str(self.folder),
            "DISK_SHADOW": str(self.shadow),
            "DISK_CONTROL": str(self._at),
        }

    def settle(self) -> None:
        """Everything in the folder is on the disk: call it while nobody works there."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        shutil.copytree(self.folder, self.shadow)

    def cut(self, chance: random.Random | None = None) -> int:
        """The power went, and everybody was killed: leave only what was synced. With `chance`,
        of what was not synced some pages are there all the same, for a disk writes in its own
        time and order. Answers how many pages of what is on the disk were lost."""
        lost = 0
        for path in self.folder.iterdir():
            if not path.is_file():
                continue
            kept = self.shadow / path.name
            if not kept.exists():
                path.unlink()
            elif not path.name.endswith(NOTHING_IN_THEM):
                lost += _as_on_disk(path, kept, chance)
        for kept in self.shadow.iterdir():
            if kept.is_file() and not kept.name.startswith(".new."):
                path = self.folder / kept.name
                if not path.exists():
                    shutil.copyfile(kept, path)
        for index in self.folder.glob("*-shm"):
            index.unlink()
        self.settle()
        return lost

    # --- faults --------------------------------------------------------------------------------

    def fail(self, fault: Fault, *, after: int = 0) -> None:
        """The fault begins after so many more writes and syncs."""
        self.set(
            error=fault.error, fail_times=fault.times, cut_short=int(fault.cut_short), faults=0
        )
        self.set(fail_at=self.get("calls") + after + 1)

    def mend(self) -> None:
        """Nothing fails any more, and there is room for everything."""
        self.set(fail_at=0, room=NO_END)

    @property
    def faults(self) -> int:
        """How many calls failed since the last `fail`."""
        return self.get("faults")

    def get(self, name: str) -> int:
        """One of the numbers that we share with the library."""
        (number,) = struct.unpack_from("=q", self._control, 8 * NUMBERS.index(name))
        assert isinstance(number, int)
        return number

    def set(self, **numbers: int) -> None:
        """Change some of them."""
        for name, number in numbers.items():
            struct.pack_into("=q", self._control, 8 * NUMBERS.index(name), number)


def _as_on_disk(path: Path, kept: Path, chance: random.Random | None) -> int:
    """Make the file at `path` what is on the disk; how many pages it loses by that."""
    now, then = path.read_bytes(), kept.read_bytes()
    size = len(now) if chance is not None and chance.random() < 0.5 else len(then)
    pages: list[bytes] = []
    lost = 0
    for start in range(0, max(len(now), len(then)), PAGE):
        new, old = now[start : start + PAGE], then[start : start + PAGE]
        if new == old:
            pages.append(old)
        elif chance is not None and chance.random() < 0.5:
            pages.append(new.ljust(PAGE, b"\0"))
        else:
            lost += 1
            pages.append(old.ljust(PAGE, b"\0"))
    path.write_bytes(b"".join(pages)[:size].ljust(size, b"\0"))
    return lost
