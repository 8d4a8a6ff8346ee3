"""Bearer tokens: an app acts for a member of staff. We keep only what recognises a token."""

import hashlib
import secrets
from collections.abc import Iterable

from federation.errors import Refused
from storage import tokens
from storage.actors import Actor
from storage.database import Transaction

TOKEN_BYTES = 32
# Longer than any token of ours; nothing longer is hashed.
TOKEN_LIMIT = 200
SCOPES = frozenset({"read", "write", "follow"})


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
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
