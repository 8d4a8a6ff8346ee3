"""People of Oakfield with real keys and profiles, who can sign, prove and publish.

Making an RSA key takes a while, so everyone of the same name has the same keys in every test.
"""

from functools import lru_cache
from typing import Any, Literal

import orjson
from sqlalchemy import select

from actors import local, profile
from federation import keys as federation_keys
from outbox import dispatch
from storage import actors, keys, published, tables
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


@lru_cache(maxsize=32)
def _key(username: str, algorithm: Literal["rsa", "ed25519"]) -> tuple[bytes, bytes]:
    private = federation_keys.generate(algorithm)
    return federation_keys.public_der(private), federation_keys.seal(b"s" * 32, private)


def teacher(tx: Transaction, username: str) -> Actor:
    """A member of staff who can publish."""
    uri = local.user_uri(tx.school, username)
    actor = actors.add_local(
        tx,
        uri=uri,
        type="Person",
        username=username,
        name=username.title(),
        url=f"{tx.school.url}/@{username}",
        inbox=f"{uri}/inbox",
        shared_inbox=f"{tx.school.url}/inbox",
        outbox=f"{uri}/outbox",
        followers=f"{uri}/followers",
        following=f"{uri}/following",
        featured=f"{uri}/featured",
        document=profile.make("Head of Science", ["Physics"], ["Key stage 4"]).document(),
    )
    for algorithm, fragment in local.FRAGMENTS.items():
        public, sealed = _key(username, algorithm)
        keys.add(
            tx,
            uri=f"{uri}#{fragment}",
            actor_id=actor.id,
            algorithm=algorithm,
            public=public,
            private=sealed,
        )
    return actor


def does(tx: Transaction, actor: Actor, **activity: Any) -> str:
    """What a program of that person's would post to their outbox; the id of the activity."""
    return dispatch.send(tx, actor.id, activity)


def says(tx: Transaction, actor: Actor, text: str = "Lab 2 is free", **note: Any) -> dict[str, Any]:
    """A note, public unless it says to whom; as it was sent."""
    addressed = {"to": [PUBLIC]} if not {"to", "cc", "bto", "bcc"} & note.keys() else {}
    sent = does(
        tx, actor, type="Create", object={"type": "Note", "content": text, **addressed, **note}
    )
    made = document(tx, actor, sent)["object"]
    assert isinstance(made, dict)
    return made


def document(tx: Transaction, actor: Actor, uri: str) -> dict[str, Any]:
    """An activity of that person's, as it goes over the wire."""
    found = published.seen_by_uri(tx, Viewer(actor.id, local=True), uri)
    if found is None:
        row = tx.execute(
            select(tables.published.c.document).where(tables.published.c.uri == uri)
        ).one()
        return dict(orjson.loads(row.document))
    return dict(orjson.loads(found.document))


def inboxes(tx: Transaction, uri: str) -> list[str]:
    """Where an activity waits to be delivered, in order of the alphabet."""
    rows = tx.execute(
        select(tables.deliveries.c.inbox)
        .join(tables.published, tables.published.c.id == tables.deliveries.c.activity_id)
        .where(tables.published.c.uri == uri)
    )
    return sorted(rows.scalars())


def told_here(tx: Transaction, uri: str) -> list[int]:
    """In whose inboxes here an activity waits to be worked on; 0 is the shared one."""
    rows = tx.execute(select(tables.received.c.owner_id).where(tables.received.c.uri == uri))
    return sorted(rows.scalars())


def latest(tx: Transaction, actor: Actor, kind: str) -> str:
    """The id of the latest activity of that type by that person."""
    return str(
        tx.execute(
            select(tables.published.c.uri)
            .where(tables.published.c.actor_id == actor.id, tables.published.c.type == kind)
            .order_by(tables.published.c.id.desc())
            .limit(1)
        ).scalar_one()
    )
