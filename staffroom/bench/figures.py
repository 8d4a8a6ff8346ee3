"""What a bench says: figures, each beside what could not be beaten, and whether that is enough.

A figure alone says nothing on a shared machine. So each is measured in turns with its ceiling in
the same run; the medians of both are divided, and the ratio is what counts.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True)
class Run:
    """So many were done, and what it cost."""

    count: int
    cpu_seconds: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.count / max(self.cpu_seconds, 1e-6)


@dataclass(frozen=True)
class Target:
    """How far a figure has to come: its ratio to the ceiling, or its own value."""

    of: Literal["ratio", "value"]
    sign: Literal[">=", "<="]
    limit: float

    def met(self, value: float, ratio: float | None) -> bool:
        """Whether this is enough; a ratio to nothing never is."""
        found = ratio if self.of == "ratio" else value
        if found is None:
            return False
        return found >= self.limit if self.sign == ">=" else found <= self.limit

    def __str__(self) -> str:
        return f"{self.of} {self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table. `runs` are pairs of figure and ceiling, in the order they were had."""

    name: str
    unit: str
    value: float
    covers: str
    ceiling: float | None = None
    targets: tuple[Target, ...] = ()
    runs: tuple[tuple[float, float | None], ...] = ()
    cpu_seconds: float | None = None  # of the server, in all runs together
    memory_mib: float | None = None  # the most that it took
    ceiling_is: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.ceiling if self.ceiling else None

    @property
    def met(self) -> bool:
        return all(target.met(self.value, self.ratio) for target in self.targets)

    def as_json(self, database: str) -> dict[str, object]:
        """One line for a program."""
        return {
            "name": self.name,
            "database": database,
            "value": _round(self.value),
            "ceiling": _round(self.ceiling),
            "ratio": _round(self.ratio),
            "unit": self.unit,
            "target": " and ".join(map(str, self.targets)) or None,
            "met": self.met if self.targets else None,
            "runs": [[_round(one), _round(other)] for one, other in self.runs],
            "cpu_seconds": _round(self.cpu_seconds),
            "memory_mib": _round(self.memory_mib),
            "ceiling_is": self.ceiling_is or None,
            "covers": self.covers,
        }


@dataclass
class Rounds:
    """Runs of a figure and of its ceiling, gathered in turns."""

    figures: list[Run] = field(default_factory=list)
    ceilings: list[Run] = field(default_factory=list)

    def figure(
        self,
        name: str,
        *,
        unit: str = "per CPU-second",
        ceiling_is: str,
        covers: str,
        targets: tuple[Target, ...],
        memory_mib: float | None = None,
    ) -> Figure:
        """Both as counts per CPU-second."""
        values = [run.per_cpu_second for run in self.figures]
        limits = [run.per_cpu_second for run in self.ceilings]
        return beside(
            name,
            values,
            limits,
            unit=unit,
            ceiling_is=ceiling_is,
            covers=covers,
            targets=targets,
            cpu_seconds=sum(run.cpu_seconds for run in self.figures),
            memory_mib=memory_mib,
        )


def beside(
    name: str,
    values: Sequence[float],
    ceilings: Sequence[float],
    *,
    unit: str,
    ceiling_is: str,
    covers: str,
    targets: tuple[Target, ...],
    cpu_seconds: float | None = None,
    memory_mib: float | None = None,
) -> Figure:
    """The medians of what was measured in turns."""
    return Figure(
        name=name,
        unit=unit,
        value=statistics.median(values),
        ceiling=statistics.median(ceilings),
        ceiling_is=ceiling_is,
        covers=covers,
        targets=targets,
        runs=tuple(zip(values, ceilings, strict=True)),
        cpu_seconds=cpu_seconds,
        memory_mib=memory_mib,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """How `y` grows with `x`, as the power that fits best: 0 is flat, 1 in step."""
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(max(y, 1e-9)) for _, y in points]
    return statistics.linear_regression(xs, ys).slope


def _round(value: float | None) -> float | None:
    """Four digits that count."""
    return None if value is None else float(f"{value:.4g}")
