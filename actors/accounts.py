"""Who may act for a member of staff: passwords, sessions of browsers, bearer tokens of apps.

Of each we keep only what recognises it. To check a password takes memory and time on purpose:
on a thread, never while a transaction is open, and just as long for names that nobody here has.
Every request asks the database whether its session or token still holds, so what is ended is
ended at once. (SECURITY R17, R30, R48)
"""

import asyncio
import hashlib
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from actors import attempts
from actors.attempts import TooManyAttempts
from actors.server import Server
from federation.errors import Refused
from storage import accounts, actors, sessions, tokens
from storage.accounts import Account
from storage.actors import Actor
from storage.database import Busy, Transaction
from storage.sessions import Session

__all__ = [
    "LONGEST_SESSION",
    "PASSWORD_MAX",
    "PASSWORD_MIN",
    "SCOPES",
    "BadPassword",
    "Session",
    "TooManyAttempts",
    "bearer",
    "begin_session",
    "by_session",
    "by_token",
    "check_password",
    "end_access",
    "end_others",
    "end_session",
    "hashed",
    "issue_token",
    "session_of",
    "set_password",
    "sign_in",
]

TOKEN_BYTES = 32
# Longer than any token of ours; nothing longer is hashed.
TOKEN_LIMIT = 200
SCOPES = frozenset({"read", "write", "follow"})

SESSION_BYTES = 32
# A session lasts so long after it was last used, and never longer than that after it began.
SESSION = timedelta(days=14)
LONGEST_SESSION = timedelta(days=90)
# That it was used is written down no more often than this.
SEEN = timedelta(minutes=5)

# Longer than any name of ours; nothing longer is remembered as tried.
USERNAME_LIMIT = 50
PASSWORD_MIN = 12
PASSWORD_MAX = 200
# With fewer different characters a password is a pattern.
PASSWORD_VARIETY = 5

# The commonest among those that are long enough, without what a pattern or a name gives away.
COMMONEST = frozenset(
    {
        "123456789012", "1234567890123", "12345678901234", "123456789123", "1234567891011",
        "012345678910", "0123456789012", "098765432109", "987654321098", "1q2w3e4r5t6y",
        "1q2w3e4r5t6y7u", "1qaz2wsx3edc", "1qaz2wsx3edc4rfv", "q1w2e3r4t5y6", "qwerty123456",
        "qwertyuiop12", "qwertyuiop123", "qwertyuiop[]", "qwertyuiopasdf", "qwerty1234567",
        "asdfghjkl123", "zxcvbnm12345", "abcdefghijkl", "abcdefghijklm", "abcd12345678",
        "abc123456789", "a1b2c3d4e5f6", "password1234", "password12345", "password123456",
        "password2024", "password2025", "password2026", "passwordpassword", "passw0rd1234",
        "mypassword123", "mypassword1234", "thisismypassword", "correcthorsebatterystaple",
        "iloveyou1234", "iloveyouforever", "letmein12345", "letmeinplease", "welcome12345",
        "welcome123456", "administrator", "administrator1", "admin1234567", "changemeplease",
        "changeme1234", "trustno1trustno1", "sunshine1234", "princess1234", "football1234",
        "liverpool1234", "manchesterunited", "chelsea12345", "arsenal12345", "dragon123456",
        "monkey123456", "teacher12345", "teacher123456", "school123456", "staffroom1234",
    }
)  # fmt: skip


class BadPassword(ValueError):
    """This cannot be a password here; the text says why."""


# --- passwords ---------------------------------------------------------------------------------

_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
# What a name is checked against that has no password: made like all others, and nobody's.
_NOBODYS: Final = (
    f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    f"${b64encode(bytes(_HASHER.salt_len)).decode().rstrip('=')}"
    f"${b64encode(bytes(_HASHER.hash_len)).decode().rstrip('=')}"
)


async def hashed(server: Server, password: str, *, username: str) -> str:
    """What is kept of a new password of that person. Raises BadPassword, Busy."""
    good = _good(password, username)
    async with server.turns.mine():
        return await asyncio.to_thread(_HASHER.hash, good)


def _good(password: str, username: str) -> str:
    """The password as it is hashed. Raises BadPassword for one that others would guess."""
    normal = _normal(password)
    if normal is None:
        raise BadPassword("use characters that can be typed")
    if len(normal) < PASSWORD_MIN:
        raise BadPassword(f"use at least {PASSWORD_MIN} characters: three or four words do well")
    if len(normal) > PASSWORD_MAX:
        raise BadPassword(f"use at most {PASSWORD_MAX} characters")
    folded, name = normal.casefold(), username.casefold()
    # The name alone, or written again and again, or with a year behind it.
    if name in folded and not folded.replace(name, "").strip("0123456789!?.,-_ "):
        raise BadPassword("your username is the first thing that others would try")
    if folded in COMMONEST or len(set(folded)) < PASSWORD_VARIETY:
        raise BadPassword("this is one of the first that others would try")
    return normal


def _normal(password: str) -> str | None:
    """The same whatever keyboard it was typed on (RFC 8265); None for what is not text."""
    normal = unicodedata.normalize("NFC", password)
    normal = "".join(" " if unicodedata.category(sign) == "Zs" else sign for sign in normal)
    return None if any(unicodedata.category(sign) in ("Cs", "Cc") for sign in normal) else normal


async def check_password(
    server: Server, username: str, password: str, network: str
) -> Actor | None:
    """Whose password this is. `network` is where it was typed: an address, of IPv6 the /64.

    None for a wrong password, a name nobody here has, no password yet, a suspended account: all
    after the same work. A hash of an older kind is made anew. Raises TooManyAttempts, Busy.
    """
    found = await _checked(server, username, password, network)
    return None if found is None else found.actor


async def sign_in(server: Server, username: str, password: str, network: str) -> str | None:
    """The secret of a new session, as for `check_password`; None where that answers None.

    A password that is changed, or an account that ends, meanwhile begins no session.
    """
    found = await _checked(server, username, password, network)
    if found is None:
        return None
    return await server.database.write_anyway(_begin_if_unchanged, found)


def _begin_if_unchanged(tx: Transaction, found: Account) -> str | None:
    present = accounts.of_actor(tx, found.actor.id)
    if present is None or present.actor.state != "active":
        return None
    if present.password_hash != found.password_hash:
        return None
    return begin_session(tx, present.actor)


async def _checked(server: Server, username: str, password: str, network: str) -> Account | None:
    """The account that this password opens, with the hash that is kept of it."""
    name = (_normal(username.strip()) or "").removeprefix("@").lower()[:USERNAME_LIMIT]
    account = await server.database.read(_account, name)
    began = await server.database.write_anyway(attempts.begin, name, network)
    kept = _kept(account)
    # What is longer than a password can be is wrong, after the same work as any other.
    typed = _normal(password[: PASSWORD_MAX + 1])
    try:
        async with server.turns.mine():
            right = await asyncio.to_thread(_verify, kept or _NOBODYS, typed or "")
    except Busy:
        await server.database.write_anyway(attempts.never_was, name, network, began)
        raise
    if account is None or kept is None or not right:
        return None
    await server.database.write_anyway(attempts.succeeded, name, network, began)
    if not _HASHER.check_needs_rehash(kept):
        return account
    async with server.turns.mine():
        better = await asyncio.to_thread(_HASHER.hash, typed or "")
    return await server.database.write_anyway(_improve, account, better)


def _account(tx: Transaction, name: str) -> Account | None:
    actor = actors.local_by_username(tx, name)
    return None if actor is None else accounts.of_actor(tx, actor.id)


def _kept(account: Account | None) -> str | None:
    """The hash that somebody may sign in with."""
    if account is None or account.actor.state != "active":
        return None
    return account.password_hash


def _verify(kept: str, typed: str) -> bool:
    try:
        return _HASHER.verify(kept, typed)
    except (Argon2Error, InvalidHashError):
        return False


def _improve(tx: Transaction, account: Account, better: str) -> Account | None:
    """Keep the new hash of the same password, unless the password was changed meanwhile."""
    present = accounts.of_actor(tx, account.actor.id)
    if present is None or present.password_hash != account.password_hash:
        return None
    accounts.set_password(tx, account.actor.id, better)
    return accounts.of_actor(tx, account.actor.id)


def set_password(
    tx: Transaction, actor: Actor, password_hash: str, *, keep: str | None = None
) -> None:
    """Give one of ours a new password: all their sessions and tokens end, but the session `keep`.

    Raises LookupError for those who have no account.
    """
    if not accounts.set_password(tx, actor.id, password_hash):
        raise LookupError(f"{actor.handle} has no account")
    tokens.revoke_all(tx, actor.id)
    sessions.end_all(tx, actor.id, but=None if keep is None else _hash(keep))


# --- sessions ----------------------------------------------------------------------------------


def begin_session(tx: Transaction, actor: Actor) -> str:
    """A new session; what the cookie is to hold, shown this once. Raises Refused for an actor
    who is not ours or not active."""
    present = actors.by_id(tx, actor.id)
    if present is None or not present.local or present.state != "active":
        raise Refused("this account is not active")
    secret = secrets.token_urlsafe(SESSION_BYTES)
    sessions.add(tx, actor.id, _hash(secret), tx.now + SESSION)
    return secret


def by_session(tx: Transaction, secret: str) -> Session | None:
    """Who is signed in with this secret; None when nobody is (any more)."""
    if not secret or len(secret) > TOKEN_LIMIT:
        return None
    return sessions.by_hash(tx, _hash(secret))


async def session_of(server: Server, secret: str) -> Session | None:
    """The same, and the session lasts longer for having been used."""
    session = await server.database.read(by_session, secret)
    if session is not None and server.now() - session.seen_at >= SEEN:
        await server.database.write_anyway(sessions.seen, session.id, _until(session, server.now()))
    return session


def _until(session: Session, now: datetime) -> datetime:
    return min(now + SESSION, session.created_at + LONGEST_SESSION)


def end_session(tx: Transaction, secret: str) -> None:
    """Somebody signs out: a copy of the cookie opens nothing either."""
    sessions.end(tx, _hash(secret))


def end_others(tx: Transaction, actor: Actor, secret: str) -> int:
    """Sign somebody out everywhere but where `secret` is used; how many sessions ended."""
    return sessions.end_all(tx, actor.id, but=_hash(secret))


def end_access(tx: Transaction, actor: Actor) -> None:
    """From now on nothing that was given out to this actor opens anything."""
    tokens.revoke_all(tx, actor.id)
    sessions.end_all(tx, actor.id)


# --- tokens ------------------------------------------------------------------------------------


def issue_token(tx: Transaction, actor: Actor, scopes: Iterable[str]) -> str:
    """A new token for one of ours, shown this once; only its SHA-256 is kept.

    Raises ValueError for a scope that does not exist, Refused for an actor who is not ours or not
    active.
    """
    wanted = frozenset(scopes)
    if not wanted or not wanted <= SCOPES:
        unknown = " ".join(sorted(wanted - SCOPES)) or "nothing"
        raise ValueError(f"{unknown} is not a scope: use {' '.join(sorted(SCOPES))}")
    if not actor.local:
        raise Refused("not one of ours")
    if actor.state != "active":
        raise Refused(f"{actor.handle} is {actor.state}")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    tokens.add(tx, actor.id, _hash(token), wanted)
    return token


def by_token(tx: Transaction, token: str) -> tuple[Actor, frozenset[str]] | None:
    """Who speaks with this token, and what they allowed it; None when nobody does (any more)."""
    if not token or len(token) > TOKEN_LIMIT:
        return None
    found = tokens.by_hash(tx, _hash(token))
    return None if found is None else (found.actor, found.scopes)


def bearer(authorization: str) -> str:
    """The token in an Authorization header, or an empty text."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
