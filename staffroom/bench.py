"""How fast this machine does the two things that matter, each beside its ceiling.

A figure alone says nothing on a shared machine. So each is measured in turns with what could not
be beaten (a bare handler, a bare signature) in the same run, and what counts is the ratio.
"""

import statistics
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import click
import orjson
import uvloop

from staffroom import bench_deliver, bench_intake
from staffroom.bench_load import Run


@dataclass(frozen=True)
class Bench:
    """One measurement: its figure and its ceiling are the names of its runs."""

    figure: str
    ceiling: str
    run: Callable[[int], Coroutine[Any, Any, list[Run]]]  # answers the runs of so many rounds


ROUNDS = 5

BENCHES: dict[str, Bench] = {
    "intake": Bench(
        "signed activities on disk per CPU-second of the server",
        "requests to a bare aiohttp handler per CPU-second",
        bench_intake.run,
    ),
    "deliver": Bench(
        "deliveries per CPU-second of the server",
        "RSA-2048 signatures per CPU-second",
        bench_deliver.run,
    ),
}


def measure(names: list[str], *, as_json: bool) -> None:
    """Run these benches and print them."""
    for name in names:
        bench = BENCHES[name]
        runs = uvloop.run(bench.run(ROUNDS))
        if as_json:
            figures = {"bench": name, **summary(bench, runs)}
            click.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
            continue
        click.echo(name)
        for line in _words(bench, runs, medians(runs)):
            click.echo(line)


def medians(runs: list[Run]) -> dict[str, int]:
    """The middle one of the figures of each name."""
    by_name: dict[str, list[float]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run.per_cpu_second)
    return {name: round(statistics.median(found)) for name, found in by_name.items()}


def summary(bench: Bench, runs: list[Run]) -> dict[str, object]:
    """Medians, their ratio, and every run; what has another name is reported beside them."""
    median = medians(runs)
    return {
        "figure": {"name": bench.figure, "median": median["figure"]},
        "ceiling": {"name": bench.ceiling, "median": median["ceiling"]},
        "ratio": round(median["figure"] / median["ceiling"], 3),
        "beside": {
            name: value for name, value in median.items() if name not in {"figure", "ceiling"}
        },
        "runs": [
            {
                "name": run.name,
                "count": run.count,
                "cpu_seconds": round(run.cpu_seconds, 3),
                "seconds": round(run.seconds, 3),
                "per_cpu_second": round(run.per_cpu_second),
            }
            for run in runs
        ],
    }


def _words(bench: Bench, runs: list[Run], median: dict[str, int]) -> list[str]:
    """The same for people: a line per name, the ratio last."""
    named = {"figure": bench.figure, "ceiling": bench.ceiling}
    lines = []
    for name, value in median.items():
        found = [round(run.per_cpu_second) for run in runs if run.name == name]
        spread = f"{min(found)}–{max(found)} in {len(found)} runs"
        lines.append(f"{value:>8}  {named.get(name, name)}  ({spread})")
    return [*lines, f"{median['figure'] / median['ceiling']:>8.3f}  of the ceiling"]
