"""Actors of other servers: fetched from their own id, read within limits, kept with their keys.

Network first, then the database, never both at once. A key counts when both sides say so: the key
names its owner, and the owner's document, as served by its own id, lists that key; and all of
them have one origin (PROTOCOL §1.4, SECURITY R2–R4, R9).
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from actors import admission, profile
from actors.budget import Overspent
from actors.server import Server, instance_signer
from federation import addresses, content, vocabulary
from federation import keys as federation_keys
from federation.addresses import Rules
from federation.errors import (
    BadSignature,
    Gone,
    Malformed,
    Refused,
    Unreachable,
    WireError,
)
from federation.keys import Listed
from storage import actors, keys, projects
from storage.actors import Actor, RemoteFields
from storage.database import Transaction
from storage.keys import Key

ACTOR_TYPES = frozenset({"Person", "Group", "Organization", "Service", "Application"})


# --- actors ------------------------------------------------------------------------------------


async def actor(server: Server, uri: str, *, max_age: timedelta | None = None) -> Actor:
    """The actor with that id: known to us, or fetched, checked and kept.

    With `max_age` what we know must be younger than that. Our own are read from the database.
    Raises Refused, Malformed, Unreachable, Gone (404 or 410, or deleted here before).
    """
    known = await server.database.read(actors.by_uri, uri)
    if known is not None and known.local:
        return known
    if known is not None and known.state == "deleted":
        raise Gone(uri, 410)
    if known is not None and known.fetched_at is not None:
        host = addresses.authority(uri, server.rules)
        await server.database.read(admission.admit, server.mode, host)
        if max_age is None or server.now() - known.fetched_at < max_age:
            return known
    document = await fetch(server, uri)
    return await _keep(server, document)


async def fetch(server: Server, uri: str) -> dict[str, Any]:
    """A document of another server, as its own id serves it, asked for by our instance actor.

    Raises Refused for our own host and for hosts we do not talk to (then nothing was sent);
    Malformed, Unreachable, Gone.
    """
    address = addresses.parse(uri, server.rules)
    if address.authority == server.school.host:
        raise Refused(f"{uri} would be one of ours, and we have no such thing")
    await server.database.read(admission.admit, server.mode, address.authority)
    return await server.client.document(uri, signer=await instance_signer(server))


async def _keep(server: Server, document: dict[str, Any]) -> Actor:
    """Read an actor's document that was served by its own id, and keep it with its keys."""
    read = fields(document, server.rules)
    return await server.database.write(save, read, federation_keys.listed(document))


def save(tx: Transaction, read: RemoteFields, listed: list[Listed] | None) -> Actor:
    """Keep an actor, and exactly the keys that its document lists now; with None those it had.

    A stub takes nothing away of what a private project told us itself, and from then on nobody
    here sees it but who is in it or was asked. Raises Gone for one that was deleted (they do not
    come back), Refused for a key that belongs to somebody else.
    """
    known = actors.by_uri(tx, read.uri)
    if known is not None and known.local:
        raise Refused(f"{read.uri} is one of ours")
    if known is not None and known.state == "deleted":
        raise Gone(read.uri, 410)
    said = json.loads(read.document) if read.type == "Group" else {}
    if known is not None and is_stub(said):
        read = _as_known(read, known)
    saved = actors.save_remote(tx, read)
    _keep_openness(tx, saved, said)
    if listed is None:
        return saved
    try:
        keys.replace_remote(
            tx,
            saved.id,
            [(key.id, federation_keys.algorithm(key.public), key.public) for key in listed],
        )
    except keys.KeyTaken as taken:
        raise Refused(f"a key of {read.uri} belongs to another actor") from taken
    return saved


# --- projects ----------------------------------------------------------------------------------


def is_stub(document: dict[str, Any]) -> bool:
    """Whether this is all that a private project tells a server: its keys and its inbox."""
    nameless = not {"preferredUsername", "name", "nameMap"} & document.keys()
    return nameless and "Group" in vocabulary.types_of(document)


def openness(document: dict[str, Any]) -> Literal["open", "private"]:
    """Whether a project says that it is there for its members alone. Mobilizon's words."""
    said = vocabulary.id_of(document.get("openness")) or ""
    return "private" if said.rpartition("#")[2] == "invite_only" else "open"


def _as_known(read: RemoteFields, known: Actor) -> RemoteFields:
    """The stub of a project that told us more before: only its inbox counts."""
    return replace(
        read,
        username=known.username,
        name=known.name,
        summary=known.summary,
        url=known.url,
        shared_inbox=known.shared_inbox,
        outbox=known.outbox,
        followers=known.followers,
        following=known.following,
        featured=known.featured,
        members=known.members,
        document=known.document,
    )


def _keep_openness(tx: Transaction, saved: Actor, document: dict[str, Any]) -> None:
    """Who serves a stub is private. What is whole and has members was shown to our instance actor,
    so it is for everybody; whether it calls itself private is for its own word to us to say."""
    if is_stub(document):
        known = projects.get(tx, saved.id)
        if known is None or not known.private:
            projects.add(tx, saved.id, openness="private")
    elif saved.members is not None and "openness" in document and openness(document) == "open":
        projects.add(
            tx,
            saved.id,
            openness="open",
            starts_at=vocabulary.moment(document.get("startTime")),
            ends_at=vocabulary.moment(document.get("endTime")),
        )


# --- reading a document ------------------------------------------------------------------------


def fields(document: dict[str, Any], rules: Rules) -> RemoteFields:
    """What we keep of an actor's document. Raises Malformed when the needed parts are missing.

    What is too long is cut, what is optional and wrong is left out. An inbox on another origin
    than the id is refused: whoever writes such a document could make us post to strangers.
    """
    uri = document.get("id")
    if not isinstance(uri, str):
        raise Malformed("an actor without an id")
    host = addresses.authority(uri, rules)
    kind = next((kind for kind in vocabulary.types_of(document) if kind in ACTOR_TYPES), None)
    if kind is None:
        raise Malformed(f"{uri} is not an actor")
    endpoints = vocabulary.one(document.get("endpoints"))
    shared = endpoints.get("sharedInbox") if isinstance(endpoints, dict) else None
    inbox = _beside(document.get("inbox"), uri, rules)
    if inbox is None:
        raise Malformed(f"{uri} has no inbox on its own server")
    username = _username(document, uri)
    summary = vocabulary.text_of(document.get("summary"), document.get("summaryMap"))
    members = document.get("members") if kind == "Group" else None
    return RemoteFields(
        uri=uri,
        peer_host=host,
        type=kind,
        username=username,
        host=host,
        name=_name(document) or username,
        summary=content.clean(summary[: profile.SUMMARY_LIMIT]),
        url=_link(vocabulary.web_url(document.get("url")), rules) or uri,
        inbox=inbox,
        shared_inbox=_beside(shared, uri, rules),
        outbox=_beside(document.get("outbox"), uri, rules),
        followers=_beside(document.get("followers"), uri, rules),
        following=_beside(document.get("following"), uri, rules),
        featured=_beside(document.get("featured"), uri, rules),
        approves_followers=document.get("manuallyApprovesFollowers") is True,
        moved_to=_link(vocabulary.id_of(document.get("movedTo")), rules),
        state="suspended" if document.get("suspended") is True else "active",
        document=json.dumps(_trimmed(document), ensure_ascii=False, separators=(",", ":")),
        members=_beside(members, uri, rules),
    )


def aliases(document: dict[str, Any]) -> list[str]:
    """The other ids that an actor says it has, at most ten."""
    return vocabulary.ids_of(document.get("alsoKnownAs"))[: profile.ALIASES]


def _username(document: dict[str, Any], uri: str) -> str:
    """The part before the @ of the handle. One that could be read as a whole handle is refused,
    or as several in a row: whoever answers such a name would write to others as well."""
    username = vocabulary.text_of(document.get("preferredUsername"))
    if is_stub(document):
        username = uri.rstrip("/").rpartition("/")[2][: profile.NAME_LIMIT]
    if not username or username != content.one_line(username, profile.NAME_LIMIT):
        raise Malformed(f"{uri} has no usable preferredUsername")
    if any(character in "@/\\?#%<>\"',;" or character.isspace() for character in username):
        raise Malformed(f"{uri} has no usable preferredUsername")
    return username


def _name(document: dict[str, Any]) -> str:
    name = vocabulary.text_of(document.get("name"), document.get("nameMap"))
    return content.one_line(name, profile.NAME_LIMIT)


def _beside(value: object, uri: str, rules: Rules) -> str | None:
    """An id on the same origin as `uri`, or None."""
    found = vocabulary.id_of(value)
    try:
        return found if found and addresses.same_origin(found, uri, rules) else None
    except Malformed:
        return None


def _link(found: str | None, rules: Rules) -> str | None:
    """An address that we could show or fetch, or None."""
    try:
        return found if found and addresses.parse(found, rules) else None
    except Malformed:
        return None


def _trimmed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its lists cut to what we would ever show."""
    kept = dict(document)
    if "attachment" in kept:
        kept["attachment"] = vocabulary.many(kept["attachment"])[: profile.FIELDS]
    if "alsoKnownAs" in kept:
        kept["alsoKnownAs"] = aliases(document)
    if isinstance(kept.get("members"), dict):
        kept["members"] = vocabulary.id_of(kept["members"])
    return kept


# --- keys --------------------------------------------------------------------------------------


async def key(server: Server, key_id: str) -> Key:
    """The key with that id: known to us, or fetched once and checked both ways.

    At most three requests, and none for five minutes after a failure. Raises Refused (our own
    host, a host we do not talk to), BadSignature (there is no such key, or not both sides own
    it), Unreachable.
    """
    host = _key_host(server, key_id)
    known = await server.database.read(_admitted_key, server.mode, host, key_id)
    if known is not None:
        return known
    place = key_id.partition("#")[0]
    failed = server.negative.recall(place, server.now())
    if failed is not None:
        raise failed.with_traceback(None)
    await server.fetching.ask(place, lambda: _have_key(server, place, key_id))
    found = await server.database.read(keys.by_uri, key_id)
    if found is None:
        missing = BadSignature(f"there is no key {key_id}")
        server.negative.note(place, missing, server.now())
        raise missing
    return found


async def _have_key(server: Server, place: str, key_id: str) -> None:
    """Fetch it, unless somebody did so between our look and our turn."""
    if await server.database.read(keys.by_uri, key_id) is None:
        await _fetch_key(server, place, key_id)


async def refreshed_key(server: Server, key_id: str) -> Key | None:
    """The key after its owner was asked again, because a signature did not fit: keys change.

    At most once per actor in five minutes; in between, and when the key is no longer listed,
    None. Raises Unreachable, Refused.
    """
    owner = await server.database.read(_owner, key_id)
    if owner is None or owner.local or server.refreshed.recall(owner.uri, server.now()):
        return None
    server.refreshed.note(owner.uri, True, server.now())
    try:
        await _keep(server, await fetch(server, owner.uri))
    except (Malformed, Gone):
        return None
    return await server.database.read(keys.by_uri, key_id)


def _admitted_key(tx: Transaction, mode: str, host: str, key_id: str) -> Key | None:
    if host == tx.school.host:
        raise Refused("our own actors do not knock from outside")
    admission.admit(tx, mode, host)
    return keys.by_uri(tx, key_id)


def _key_host(server: Server, key_id: str) -> str:
    try:
        return addresses.authority(key_id, server.rules)
    except Malformed as bad:
        raise BadSignature(f"the key id is no address: {bad}") from bad


def _owner(tx: Transaction, key_id: str) -> Actor | None:
    known = keys.by_uri(tx, key_id)
    return None if known is None else actors.by_id(tx, known.actor_id)


async def _fetch_key(server: Server, place: str, key_id: str) -> None:
    """Fetch the document that should hold the key, then its owner; keep the owner's keys."""
    try:
        document = await fetch(server, place)
        if _is_actor(document):
            await _keep(server, document)
        else:
            await _keep_claimed(server, federation_keys.from_document(document, key_id))
    except Overspent:
        raise  # what one activity may not cost says nothing about the key
    except WireError as error:
        failure = _as_ours(error, _key_host(server, key_id))
        server.negative.note(place, failure, server.now())
        raise failure from error


async def _keep_claimed(server: Server, claimed: Listed) -> None:
    """A key document of its own says who owns it (on its own origin): ask the owner."""
    owner = await fetch(server, claimed.owner)
    listed = federation_keys.listed(owner)
    embedded = next((key for key in listed if key.id == claimed.id), None)
    if embedded is None and claimed.id in _named_keys(owner):
        listed.append(claimed)
    elif embedded is None or embedded.public != claimed.public:
        raise BadSignature(f"{claimed.owner} does not list {claimed.id}")
    await server.database.write(save, fields(owner, server.rules), listed)


def _named_keys(document: dict[str, Any]) -> set[str]:
    """Keys that an actor's document lists by their id only."""
    named = vocabulary.many(document.get("publicKey")) + vocabulary.many(
        document.get("assertionMethod")
    )
    return {name for name in named if isinstance(name, str)}


def _is_actor(document: dict[str, Any]) -> bool:
    return "inbox" in document and not ACTOR_TYPES.isdisjoint(vocabulary.types_of(document))


def _as_ours(error: WireError, host: str) -> WireError:
    """How a failure with the key's document looks to the one whose request waits for it."""
    if isinstance(error, Unreachable | BadSignature | Refused):
        return error
    return BadSignature(f"the key cannot be had from {host}: {error}")
