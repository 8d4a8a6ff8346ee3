"""The deliveries with a verdict, under the names that our test calls everybody by.

Whoever is who is read from the part they play, so that a copy of the file in which hosts and people
have other names is the same file.
"""

import json
import re
from pathlib import Path
from typing import Any

Case = dict[str, Any]

# Our name for somebody, and where the file says who plays that part.
CAST: dict[str, tuple[str, ...]] = {
    "https://remote.example/users/alice": ("unlisted", "signed_by"),
    "https://remote.example/users/bob": (
        "update-other-author-same-host", "document", "object", "attributedTo",
    ),
    "https://remote.example/users/never": ("delete-actor-unknown", "document", "actor"),
    "https://school.example/users/lee": ("block", "document", "object"),
    "https://school.example/users/kim": ("bto-bcc-in", "document", "bcc"),
    "https://victim.example/users/v": ("update-foreign", "document", "object", "attributedTo"),
    "https://evil.example/users/mallory": ("actor-not-signer", "document", "actor"),
    "https://new.example/users/alice": ("move-good", "document", "target"),
    "https://new.example/users/x": ("move-not-aliased", "document", "target"),
    "https://group.example/c/maths": ("group-announce-create", "signed_by"),
    "https://third.example/n/5": ("id-mismatch-same-host", "document", "object"),
}  # fmt: skip
ORIGIN = re.compile(r"https://[^/]+")


def load(file: Path) -> dict[str, Case]:
    """The cases by name."""
    text = file.read_text("utf-8")
    given = _by_name(text)
    players = {_found(given, place): ours for ours, place in CAST.items()}
    homes = {_origin(theirs): _origin(ours) for theirs, ours in players.items()}
    for names in (players, homes):
        for theirs in sorted(names, key=len, reverse=True):
            text = re.sub(rf"{re.escape(theirs)}(?![\w.-])", names[theirs], text)
    return _by_name(text)


def _by_name(text: str) -> dict[str, Case]:
    return {case["name"]: case for case in json.loads(text)["cases"]}


def _found(given: dict[str, Case], place: tuple[str, ...]) -> str:
    part: Any = given
    for step in place:
        part = part[step]
    found = part[0] if isinstance(part, list) else part
    assert isinstance(found, str), place
    return found


def _origin(uri: str) -> str:
    match = ORIGIN.match(uri)
    assert match is not None, uri
    return match[0]
