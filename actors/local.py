"""Our own actors: the school, the actor that signs for it, and the documents others see.

Every actor of ours has two keys: RSA signs HTTP requests, Ed25519 signs proofs.
https://www.w3.org/TR/activitypub/#actor-objects, FEP-521a, FEP-2c59
"""

import html
from collections.abc import Iterable
from typing import Any, Final

from actors import profile
from federation import keys as federation_keys
from federation import vocabulary
from federation.addresses import Rules
from federation.errors import Refused
from federation.keys import Algorithm, PrivateKey
from federation.signatures import Signer
from federation.vocabulary import Addressing
from storage import actors, keys
from storage.actors import Actor
from storage.database import School, Transaction
from storage.keys import Key

SCHOOL_USERNAME = "school"
FRAGMENTS: Final[dict[Algorithm, str]] = {"rsa": "main-key", "ed25519": "ed25519-key"}


def instance_uri(school: School) -> str:
    """The actor that speaks for the server itself. Its document is open to everybody."""
    return f"{school.url}/actor"


def school_uri(school: School) -> str:
    return f"{school.url}/school"


def members_uri(school: School) -> str:
    """Who a school-only post is addressed to. Never delivered outside."""
    return f"{school.url}/school/members"


def user_uri(school: School, username: str) -> str:
    return f"{school.url}/users/{username}"


def in_projects(school: School, uri: str) -> bool:
    """Whether this can be the address of a project of this school, or of its list of members."""
    return uri.startswith(f"{school.url}/projects/")


def create_school(tx: Transaction) -> None:
    """The instance actor and the school itself, with their keys. Again: nothing happens."""
    school = tx.school
    if actors.by_uri(tx, instance_uri(school)) is None:
        add(
            tx,
            uri=instance_uri(school),
            kind="Application",
            username=school.host,
            name=school.name,
            page=f"{school.url}/",
            said=profile.Profile(),
            listed=False,
        )
    if actors.by_uri(tx, school_uri(school)) is None:
        add(
            tx,
            uri=school_uri(school),
            kind="Organization",
            username=SCHOOL_USERNAME,
            name=school.name,
            page=f"{school.url}/@{SCHOOL_USERNAME}",
            said=profile.Profile(discoverable=True),
        )


def add(
    tx: Transaction,
    *,
    uri: str,
    kind: str,
    username: str,
    name: str,
    page: str,
    said: profile.Profile,
    summary: str = "",
    listed: bool = True,
    members: str | None = None,
) -> Actor:
    """An actor of ours with its keys; `listed`: with lists of its own (followers and the like).

    `members` is the list of who is in it, for a project. A project follows nobody.

    Raises actors.UsernameTaken.
    """
    actor = actors.add_local(
        tx,
        uri=uri,
        type=kind,
        username=username,
        name=name,
        summary=summary,
        url=page,
        inbox=f"{uri}/inbox",
        shared_inbox=f"{tx.school.url}/inbox",
        outbox=f"{uri}/outbox",
        followers=f"{uri}/followers" if listed else None,
        following=f"{uri}/following" if listed and kind != "Group" else None,
        featured=f"{uri}/featured" if listed else None,
        members=members,
        document=said.document(),
    )
    for algorithm, fragment in FRAGMENTS.items():
        private = federation_keys.generate(algorithm)
        keys.add(
            tx,
            uri=f"{uri}#{fragment}",
            actor_id=actor.id,
            algorithm=algorithm,
            public=federation_keys.public_der(private),
            private=federation_keys.seal(tx.school.secret, private),
        )
    return actor


def ours(tx: Transaction, uri: str | None) -> Actor:
    """The active actor of this school with that id; raises Refused for anyone else."""
    actor = actors.by_uri(tx, uri) if uri else None
    if actor is None or not actor.local or actor.state != "active":
        raise Refused("not one of ours")
    return actor


def our_people(tx: Transaction, uris: Iterable[str], rules: Rules) -> list[Actor]:
    """Those of the named who belong to this school."""
    wanted = [uri for uri in vocabulary.uris_of(uris, rules) if uri.startswith(f"{tx.school.url}/")]
    if not wanted:
        return []
    return [actor for actor in actors.by_uris(tx, wanted).values() if actor.local]


def audience_of(tx: Transaction, author: Actor, addressed: Addressing) -> str:
    """public, unlisted, followers, school or direct. Only one of us can speak to our school."""
    members = members_uri(tx.school) if author.local else None
    return vocabulary.audience(addressed, author.followers, members)


def signer(tx: Transaction, actor: Actor, algorithm: Algorithm = "rsa") -> Signer:
    """What signs HTTP requests in the name of one of ours."""
    key_id, private = _private(tx, actor, algorithm)
    return Signer(key_id=key_id, key=private)


def instance_signer(tx: Transaction) -> Signer:
    """What signs a fetch that is made for nobody in particular."""
    return signer(tx, ours(tx, instance_uri(tx.school)))


def prover(tx: Transaction, actor: Actor) -> tuple[PrivateKey, str]:
    """The Ed25519 key of one of ours and its verification method, for FEP-8b32 proofs."""
    key_id, private = _private(tx, actor, "ed25519")
    return private, key_id


def _private(tx: Transaction, actor: Actor, algorithm: Algorithm) -> tuple[str, PrivateKey]:
    for key in keys.of_actor(tx, actor.id):
        if key.algorithm == algorithm and key.private is not None:
            return key.uri, federation_keys.unseal(tx.school.secret, key.private)
    raise Refused(f"{actor.uri} has no {algorithm} key of ours")


def document(school: School, actor: Actor, listed: list[Key]) -> dict[str, Any]:
    """The ActivityPub document of one of ours. Of a suspended one only what a signature needs."""
    if actor.state == "deleted":
        return _last_words(actor, listed)
    shown: dict[str, Any] = {
        "@context": vocabulary.CONTEXT,
        "id": actor.uri,
        "type": actor.type,
        "preferredUsername": actor.username,
        "webfinger": f"{actor.username}@{school.host}",
        "inbox": actor.inbox,
        "outbox": actor.outbox,
        **_lists(actor),
        "endpoints": {"sharedInbox": actor.shared_inbox},
        "url": actor.url,
        "published": vocabulary.rfc3339(actor.created_at),
        "manuallyApprovesFollowers": actor.approves_followers,
        **_keys(actor, listed),
    }
    if actor.state == "suspended":
        return shown | {"suspended": True, "discoverable": False, "indexable": False}
    said = profile.of(actor)
    shown |= {
        "name": actor.name,
        "summary": actor.summary,
        "updated": vocabulary.rfc3339(actor.updated_at),
        "discoverable": said.discoverable,
        "indexable": said.indexable,
        "suspended": False,
        "memorial": False,
        "alsoKnownAs": list(said.aliases),
    }
    if actor.moved_to:
        shown["movedTo"] = actor.moved_to
        # For the new account alone: whom they blocked here is blocked there too.
        shown["blocked"] = f"{actor.uri}/blocked"
    if actor.type == "Person":
        shown["attachment"] = _fields(school, said)
    return shown


def _last_words(actor: Actor, listed: list[Key]) -> dict[str, Any]:
    """What others need to check that it was really this actor who left."""
    return {
        "@context": vocabulary.CONTEXT,
        "id": actor.uri,
        "type": actor.type,
        "preferredUsername": actor.username,
        "inbox": actor.inbox,
        "suspended": True,
        **_keys(actor, listed),
    }


def _lists(actor: Actor) -> dict[str, Any]:
    if actor.followers is None:
        return {}
    if actor.type == "Group":
        return {"followers": actor.followers, "featured": actor.featured}
    return {
        "followers": actor.followers,
        "following": actor.following,
        "liked": f"{actor.uri}/liked",
        "featured": actor.featured,
    }


def _keys(actor: Actor, listed: list[Key]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in listed:
        if key.algorithm == "rsa":
            found["publicKey"] = {
                "id": key.uri,
                "owner": actor.uri,
                "publicKeyPem": federation_keys.pem(key.public),
            }
        else:
            found.setdefault("assertionMethod", []).append(
                {
                    "id": key.uri,
                    "type": "Multikey",
                    "controller": actor.uri,
                    "publicKeyMultibase": federation_keys.multibase(key.public),
                }
            )
    return found


def _fields(school: School, said: profile.Profile) -> list[dict[str, str]]:
    """Role, subjects, phases and school, in the form that other servers show beside a name."""
    fields = [(label, html.escape(text)) for label, text in profile.lines(said)]
    link = f'<a href="{html.escape(school.url)}/" rel="me">{html.escape(school.name)}</a>'
    fields.append(("School", link))
    return [{"type": "PropertyValue", "name": name, "value": value} for name, value in fields]
