"""A member of staff gets an actor: a name at this school, a profile, and keys of their own."""

import re
from collections.abc import Iterable

from actors import local, profile
from federation import content
from storage import accounts
from storage.actors import Actor
from storage.database import Transaction

USERNAME = re.compile(r"[a-z0-9_]{1,30}")
ROLES: dict[str, accounts.Role] = {"admin": "admin", "staff": "staff"}

# Names that stand for the server or the school, or that a reader would take for them.
RESERVED = frozenset(
    {
        "abuse", "actor", "admin", "administrator", "all", "everyone", "help", "hostmaster",
        "info", "instance", "members", "moderator", "new", "noreply", "postmaster", "projects",
        "public", "relay", "root", "school", "security", "staff", "staffroom", "support",
        "system", "webmaster",
    }
)  # fmt: skip


class BadUsername(ValueError):
    """This cannot be a name at our school; the text says why."""


def normal_username(typed: str) -> str:
    """The name as it is kept: lower case, without @ and spaces round it. Raises BadUsername."""
    name = typed.strip().removeprefix("@").lower()
    if not USERNAME.fullmatch(name):
        raise BadUsername(
            f"{typed!r} cannot be a username: use 1 to 30 letters a–z, digits and underscores"
        )
    if name in RESERVED:
        raise BadUsername(f"{name!r} is kept for the school itself: choose another username")
    return name


def add(
    tx: Transaction,
    *,
    username: str,
    name: str,
    role: str = "staff",
    title: str = "",
    subjects: Iterable[str] = (),
    phases: Iterable[str] = (),
    summary: str = "",
) -> Actor:
    """A new member of staff, with account and keys.

    `summary` is plain text as typed. Raises BadUsername, ValueError for an unknown `role`, and
    actors.UsernameTaken.
    """
    allowed = ROLES.get(role)
    if allowed is None:
        raise ValueError(f"{role!r} is not a role: use {' or '.join(ROLES)}")
    kept = normal_username(username)
    actor = local.add(
        tx,
        uri=local.user_uri(tx.school, kept),
        kind="Person",
        username=kept,
        name=content.one_line(name, profile.NAME_LIMIT) or kept,
        summary=about(summary),
        page=f"{tx.school.url}/@{kept}",
        said=profile.make(title, subjects, phases),
    )
    accounts.add(tx, actor.id, allowed)
    return actor


def about(typed: str) -> str:
    """A few words about oneself, as the clean HTML that is shown."""
    words = typed.strip()[: profile.SUMMARY_LIMIT]
    return content.paragraphs(words) if words else ""
