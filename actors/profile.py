"""What a member of staff says about their work: role, subjects, phases, and what they allow.

For our own actors the column `document` holds this, as JSON; the ActivityPub document that other
servers see is built from it each time (`actors/local.py`).
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from federation.content import one_line
from storage.actors import Actor

# SECURITY table 0.1.
NAME_LIMIT = 200
SUMMARY_LIMIT = 5_000
FIELD_LIMIT = 255
FIELDS = 8
ALIASES = 10


@dataclass(frozen=True)
class Profile:
    """`title` is the role at the school in words ("Head of Science"). Nobody is listed anywhere
    (`discoverable`, `indexable`) before they say so."""

    title: str = ""
    subjects: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    discoverable: bool = False
    indexable: bool = False

    def document(self) -> dict[str, Any]:
        return asdict(self)


def make(title: str = "", subjects: Iterable[str] = (), phases: Iterable[str] = ()) -> Profile:
    """A profile from what somebody typed: one line each, without doubles, within the limits."""
    return Profile(
        title=one_line(title, FIELD_LIMIT),
        subjects=_words(subjects),
        phases=_words(phases),
    )


def of(actor: Actor) -> Profile:
    """The profile of one of ours."""
    kept = json.loads(actor.document)
    return Profile(
        title=kept.get("title", ""),
        subjects=tuple(kept.get("subjects", ())),
        phases=tuple(kept.get("phases", ())),
        aliases=tuple(kept.get("aliases", ())),
        discoverable=kept.get("discoverable", False),
        indexable=kept.get("indexable", False),
    )


def lines(profile: Profile) -> list[tuple[str, str]]:
    """What a page or another server shows beside the name: pairs of a label and plain text."""
    shown = [
        ("Role", profile.title),
        ("Subjects", ", ".join(profile.subjects)),
        ("Phases", ", ".join(profile.phases)),
    ]
    return [(label, text) for label, text in shown if text]


def _words(typed: Iterable[str]) -> tuple[str, ...]:
    """Words that stay within the limit of one field when they stand in a row."""
    words: list[str] = []
    for word in dict.fromkeys(one_line(word, FIELD_LIMIT) for word in typed):
        if word and len(", ".join([*words, word])) <= FIELD_LIMIT:
            words.append(word)
    return tuple(words)
