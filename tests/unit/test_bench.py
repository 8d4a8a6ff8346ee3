"""What the bench makes of what it measured: arithmetic, words, and the line for programs."""

import orjson
import pytest
from click.testing import CliRunner

from staffroom.bench import table
from staffroom.bench.command import BENCHES, bench
from staffroom.bench.figures import (
    Figure,
    Rounds,
    Run,
    Target,
    beside,
    exponent,
    percentile,
)

FAST_ENOUGH = (Target("ratio", ">=", 0.5),)


def figure(**changes: object) -> Figure:
    known: dict[str, object] = {
        "name": "warm deliveries",
        "unit": "per CPU-second",
        "value": 1500.0,
        "ceiling": 2500.0,
        "covers": "signing and sending",
        "targets": FAST_ENOUGH,
        "runs": ((1400.0, 2600.0), (1500.0, 2500.0), (1600.0, 2400.0)),
    }
    return Figure(**{**known, **changes})  # type: ignore[arg-type]


def test_a_figure_is_the_median_of_its_runs_beside_the_median_of_its_ceiling() -> None:
    rounds = Rounds(
        [Run(100, 0.1, 1.0), Run(100, 0.5, 1.0), Run(100, 0.2, 1.0)],
        [Run(1000, 0.5, 1.0), Run(1000, 1.0, 1.0), Run(1000, 2.0, 1.0)],
    )
    found = rounds.figure("intake", ceiling_is="bare", covers="all", targets=FAST_ENOUGH)
    assert (found.value, found.ceiling) == (500, 1000)
    assert found.ratio == 0.5
    assert found.met
    assert found.cpu_seconds == pytest.approx(0.8)
    assert found.runs == ((1000, 2000), (200, 1000), (500, 500))


def test_a_figure_whose_ceiling_was_measured_less_often_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        beside("x", [1, 2], [1], unit="ms", ceiling_is="", covers="", targets=())


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("ratio", ">=", 0.6), True),
        (Target("ratio", ">=", 0.61), False),
        (Target("ratio", "<=", 0.6), True),
        (Target("ratio", "<=", 0.59), False),
        (Target("value", "<=", 1500), True),
        (Target("value", "<=", 1499), False),
        (Target("value", ">=", 1500), True),
    ],
)
def test_a_target_is_reached_at_its_very_limit(target: Target, met: bool) -> None:
    assert figure(targets=(target,)).met is met


def test_of_two_targets_both_are_to_be_reached_and_a_ratio_to_nothing_never_is() -> None:
    both = (Target("ratio", "<=", 1.2), Target("value", "<=", 1000))
    assert not figure(targets=both).met
    assert figure(targets=both, value=900.0).met
    assert not figure(ceiling=None).met


def test_p99_is_what_one_of_a_hundred_waits_longer_than() -> None:
    waits = [float(number) for number in range(100, 0, -1)]
    assert percentile(waits, 0.99) == 99
    assert percentile(waits, 0.5) == 50
    assert percentile([7.0], 0.99) == 7


def test_the_exponent_tells_flat_from_in_step_from_worse() -> None:
    sizes = (10, 100, 1000)
    assert exponent([(size, 3.0) for size in sizes]) == pytest.approx(0)
    assert exponent([(size, size * 0.2) for size in sizes]) == pytest.approx(1)
    assert exponent([(size, size**2) for size in sizes]) == pytest.approx(2)


def test_the_line_for_a_program_has_everything_the_table_has() -> None:
    said = orjson.loads(table.line("SQLite", figure(cpu_seconds=1.23456, memory_mib=100.0)))
    assert said == {
        "name": "warm deliveries",
        "database": "SQLite",
        "value": 1500,
        "ceiling": 2500,
        "ratio": 0.6,
        "unit": "per CPU-second",
        "target": "ratio >= 0.5",
        "met": True,
        "runs": [[1400, 2600], [1500, 2500], [1600, 2400]],
        "cpu_seconds": 1.235,
        "memory_mib": 100,
        "ceiling_is": None,
        "covers": "signing and sending",
    }


def test_a_figure_without_ceiling_and_target_says_so() -> None:
    said = orjson.loads(table.line("SQLite", figure(ceiling=None, targets=())))
    assert [said[name] for name in ("ceiling", "ratio", "target", "met")] == [None] * 4


def test_the_table_names_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    table.show([("SQLite", figure()), ("PostgreSQL", figure(value=1000.0))])
    head, first, second, last = capsys.readouterr().out.splitlines()
    assert "ceiling" in head
    assert first.split()[-1] == "yes"
    assert second.split()[-1] == "no"
    assert last == "2 figures, 1 reach their target."


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1514.2, "1,514"), (37.44, "37.4"), (1.516, "1.52"), (0.0721, "0.072"), (None, "–")],
)
def test_numbers_are_shown_with_the_digits_that_count(value: float | None, shown: str) -> None:
    assert table.number(value) == shown


def test_a_bench_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> None:
    refused = CliRunner().invoke(bench, ["speed"])
    assert refused.exit_code == 2
    assert all(f"'{name}'" in refused.output for name in BENCHES)


def test_a_database_that_the_bench_does_not_know_is_refused_in_words() -> None:
    refused = CliRunner().invoke(bench, ["--database-url", "sqlite:///school", "intake"])
    assert refused.exit_code == 2
    assert "neither sqlite nor postgresql://" in refused.output
