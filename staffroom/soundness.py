"""Whether a school is sound: everything that `storage/checks.py` asks, and whether the school's
secret opens the keys that its actors sign with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from federation import keys
from federation.keys import WrongSecret
from storage import checks
from storage.checks import Aside, Check, Finding
from storage.transaction import Transaction

# How many checks are behind us, and how many there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Health:
    """What was found: `findings` is empty in a sound school."""

    findings: tuple[Finding, ...]
    checks: int
    rows: int
    aside: tuple[Aside, ...]

    def __str__(self) -> str:
        """In one line: what was looked at, and what waits for a person, with the reasons."""
        many = sum(one.count for one in self.aside)
        reasons = "; ".join(f"{one.count:,} {one.what}: {one.reason}" for one in self.aside)
        aside = f"{many:,} set aside ({reasons})" if many else "nothing set aside"
        return f"{self.checks} checks of {self.rows:,} rows, {aside}"


def look(
    tx: Transaction,
    secret: bytes,
    *,
    everything: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> Health:
    """Look at a school through a snapshot of it; without `everything`, up to the first finding."""
    asked = [*checks.every(tx), _keys_open(secret)]
    findings: list[Finding] = []
    for done, check in enumerate(asked):
        progress(done, len(asked))
        finding = checks.find(tx, check)
        if finding is not None:
            findings.append(finding)
            if not everything:
                return Health(tuple(findings), done + 1, 0, ())
            if check.vital:
                break  # what builds on it cannot be asked
    progress(len(asked), len(asked))
    if findings:
        return Health(tuple(findings), len(asked), 0, ())
    return Health((), len(asked), sum(checks.rows(tx).values()), tuple(checks.set_aside(tx)))


def _keys_open(secret: bytes) -> Check:
    return Check(
        "key that does not open",
        "the school's secret opens the private key of each actor of ours, and it fits the public",
        partial(_closed, secret),
    )


def _closed(secret: bytes, tx: Transaction) -> Iterator[str]:
    for key in checks.sealed_keys(tx):
        try:
            fits = keys.public_der(keys.unseal(secret, key.private)) == key.public
        except (WrongSecret, ValueError):
            fits = False
        if not fits:
            yield key.uri
