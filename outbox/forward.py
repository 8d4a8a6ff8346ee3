"""An answer from elsewhere to a post of ours is passed on to those who follow its author.

https://www.w3.org/TR/activitypub/#inbox-forwarding. They do not know who else answered; we do.
The bytes go on unchanged, and only if they carry proof of who wrote them, since the others have no
other reason to believe us. What is not public is never passed on.
"""

from collections.abc import Iterator
from typing import Any

from federation import addresses, proofs, vocabulary
from federation import keys as federation_keys
from federation.activity import Activity
from federation.errors import BadSignature, Malformed
from storage import actors, blocks, deliveries, keys, objects, published
from storage.actors import Actor
from storage.database import Transaction

# How far an answer to an answer may be from a post of ours.
DEPTH = 3
# References that are followed from one activity.
REFERENCES = 20

# Nobody is to hear of these, however they are addressed.
NEVER = frozenset({"Block", "Flag"})

_POINTERS = ("inReplyTo", "object", "target", "tag")


def forward(tx: Transaction, activity: Activity, body: bytes) -> int:
    """Pass `body`, the bytes `activity` came as, on to the followers of ours it is addressed to.

    Returns how many deliveries were queued; 0 unless all conditions hold. Call it when the
    activity is seen for the first time.
    """
    if not NEVER.isdisjoint(
        (*vocabulary.types_of(activity.json), *vocabulary.types_of(vocabulary.one(activity.object)))
    ):
        return 0
    addressed = vocabulary.addressing(activity.json)
    if vocabulary.audience(addressed, None, None) not in ("public", "unlisted"):
        return 0
    if addressed.hidden:  # the bytes go on as they are, and would tell whom
        return 0
    ours = f"{tx.school.url}/"
    collections = [uri for uri in (*addressed.to, *addressed.cc) if uri.startswith(ours)]
    owners = [owner for uri in collections if (owner := _owner(tx, uri)) is not None]
    if not owners:
        return 0
    sender = actors.by_uri(tx, activity.actor)
    if sender is None or sender.local or not _proven(tx, sender, activity.json):
        return 0
    about = _about(tx, activity.json)
    return sum(
        _pass_on(tx, owner, activity, body, addresses.authority(sender.uri, activity.rules))
        for owner in owners
        if owner.id in about and not blocks.between(tx, owner.id, sender.id)
    )


def _owner(tx: Transaction, collection: str) -> Actor | None:
    """Which of ours these followers belong to."""
    uri, _, name = collection.rpartition("/")
    owner = actors.by_uri(tx, uri) if name == "followers" else None
    if owner is None or not owner.local or owner.state != "active":
        return None
    return owner if owner.followers == collection else None


def _pass_on(tx: Transaction, owner: Actor, activity: Activity, body: bytes, origin: str) -> int:
    number = tx.new_id()
    new = published.add(
        tx,
        id=number,
        uri=activity.id,
        actor_id=owner.id,
        type=activity.type,
        object_uri=_subject(activity),
        audience="public",
        document=body,
        forwarded=True,
    )
    if not new:
        return 0
    to = deliveries.To(followers_of=owner.id, named=(), shared=(), reached_by=None)
    return deliveries.enqueue(tx, number, to, except_host=origin)


def _subject(activity: Activity) -> str | None:
    """The id of what it is about, if it is one; what others write there is kept in an index."""
    named = vocabulary.id_of(activity.object)
    try:
        return addresses.canonical(named, activity.rules) if named else None
    except Malformed:
        return None


# --- whether others can believe it -------------------------------------------------------------


def _proven(tx: Transaction, sender: Actor, document: dict[str, Any]) -> bool:
    """Whether the bytes themselves show that `sender` wrote them."""
    known = {key.uri: key for key in keys.of_actor(tx, sender.id)}
    for method in proofs.method_of(document):
        key = known.get(method)
        if key is None:
            continue
        try:
            proofs.verify(document, method, federation_keys.load(key.public), tx.now)
        except BadSignature:
            continue
        return True
    # We do not check these; whoever does gets them whole, whoever does not fetches the object.
    signature = document.get("signature")
    return (
        isinstance(signature, dict)
        and signature.get("type") == "RsaSignature2017"
        and isinstance(signature.get("signatureValue"), str)
        and signature.get("creator") in known
    )


# --- what it is about --------------------------------------------------------------------------


def _about(tx: Transaction, document: dict[str, Any]) -> set[int]:
    """Which of our people wrote what this is about, up to three steps away."""
    authors: set[int] = set()
    seen: set[str] = set()
    wave = set(_pointers(document, DEPTH))
    for _ in range(DEPTH):
        wave = set(sorted(wave - seen)[: REFERENCES - len(seen)])
        seen |= wave
        parents: set[str] = set()
        for uri in sorted(wave):
            post = objects.by_uri(tx, uri)
            if post is None:
                continue
            if uri.startswith(f"{tx.school.url}/"):
                authors.add(post.author_id)
            elif post.in_reply_to:
                parents.add(post.in_reply_to)
        wave = parents
    return authors


def _pointers(document: dict[str, Any], depth: int) -> Iterator[str]:
    for name in _POINTERS:
        for value in vocabulary.many(document.get(name)):
            uri = value.get("href") if name == "tag" and isinstance(value, dict) else None
            uri = uri or vocabulary.id_of(value)
            if isinstance(uri, str):
                yield uri
            if isinstance(value, dict) and depth > 1:
                yield from _pointers(value, depth - 1)
