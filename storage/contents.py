"""What single columns may hold, where no constraint says so: for `storage/checks.py`.

A new word in one of these columns is added here.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, func, true

from storage import tables
from storage.tables import (
    accounts,
    actors,
    announces,
    deliveries,
    follows,
    keys,
    memberships,
    moved_things,
    moves,
    notifications,
    objects,
    published,
    received,
    wanted,
)

_AUDIENCES = ("public", "unlisted", "followers", "school", "project", "direct")

WORDS: dict[Column[Any], tuple[str, ...]] = {
    tables.peers.c.policy: ("allowed", "blocked", "unlisted"),
    actors.c.state: ("active", "suspended", "deleted"),
    keys.c.algorithm: ("rsa", "ed25519"),
    accounts.c.role: ("admin", "staff"),
    tables.burials.c.stage: ("posts", "rest", "sent"),
    follows.c.state: ("requested", "accepted", "rejected"),
    tables.projects.c.openness: ("open", "private"),
    tables.projects.c.moves: ("automatic", "ask"),
    memberships.c.role: ("lead", "editor", "observer"),
    memberships.c.state: ("asked", "invited", "member"),
    moves.c.direction: ("out", "in", "along"),
    moved_things.c.kind: ("follower", "following", "project", "block"),
    moved_things.c.outcome: ("waiting", "asked", "moved", "refused", "unreachable"),
    objects.c.audience: _AUDIENCES,
    announces.c.audience: _AUDIENCES,
    published.c.audience: _AUDIENCES,
    received.c.state: ("new", "done", "aside"),
    notifications.c.kind: (
        "follow",
        "request",
        "mention",
        "reply",
        "like",
        "announce",
        "accepted",
        "poll",
        "move",
        "invite",
        "join",
        "joined",
    ),
    deliveries.c.state: ("waiting", "done", "over", "aside"),
}

# Columns that name an actor, and have no constraint that says so.
UNBOUND = (objects.c.project_id, published.c.project_id, received.c.owner_id)

# JSON, and the rows in which it still has to be there.
DOCUMENTS: dict[Column[Any], ColumnElement[bool]] = {
    actors.c.document: true(),
    objects.c.document: true(),
    received.c.body: received.c.state == "new",
    published.c.document: func.length(published.c.document) > 0,
    tables.reports.c.post_uris: true(),
    wanted.c.asked: true(),
    tables.attempts.c.moments: true(),
}
