"""An activity of ours goes out: written, signed for and queued in the transaction of its cause.

Serialised once; the bytes are kept as they will be sent, with a proof by their author inside
(FEP-8b32), so that others may pass them on. Only an edit rewrites what still waits (`reword`). Who
is to get them is one statement, whatever the number of followers. People of this school find it in
`received`, like everybody else's.
https://www.w3.org/TR/activitypub/#client-to-server-interactions
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from actors import local
from federation import proofs
from federation.vocabulary import CONTEXT, embedded, id_of, rfc3339, without_hidden
from outbox.audience import Audience, inboxes, resolve
from storage import deliveries, published, received
from storage.actors import Actor
from storage.database import Transaction
from storage.received import Incoming

# Misskey refuses more. What we wrote ourselves stays below but for very long posts with source.
WIRE_LIMIT = 64_000

SHARED_INBOX = 0

ADDRESSES = ("to", "cc", "bto", "bcc", "audience")


def publish(
    tx: Transaction,
    actor: Actor,
    activity: Mapping[str, Any],
    *,
    to: str | Iterable[str] = (),
    reached_by: str | None = None,
    deleted: bool = False,
) -> str:
    """Send `activity` in the name of our `actor`; the id it was given.

    Recipients are its to, cc, bto, bcc and audience (and those of its object), or `to` alone if
    given. `reached_by` is the id of a post whose earlier readers are to be told as well, all of
    them if it was `deleted`. Raises Malformed for addresses that cannot be used.
    """
    addressed = _addressed(activity, [to] if isinstance(to, str) else list(to))
    audience = resolve(tx, actor, addressed)
    number = tx.new_id()
    uri = f"{tx.school.url}/activities/{number}"
    body = _proven(tx, actor, _complete(tx, actor, addressed, uri, audience))
    published.add(
        tx,
        id=number,
        uri=uri,
        actor_id=actor.id,
        type=str(activity["type"]),
        object_uri=received.subject(str(activity["type"]), activity),
        audience=audience.kind,
        document=body,
        project_id=_project_id(audience),
    )
    told = replace(inboxes(audience, actor, reached_by), deleted=deleted)
    deliveries.enqueue(tx, number, told)
    _tell_our_own(tx, actor, str(activity["type"]), uri, body, audience)
    return uri


def _project_id(audience: Audience) -> int | None:
    if audience.kind != "project" or audience.project is None:
        return None
    return audience.project.id


def reword(tx: Transaction, actor: Actor, post_uri: str, document: Mapping[str, Any]) -> None:
    """A post of our `actor` was edited: what still waits of it says what it says now.

    It keeps its id, for it may have arrived without our hearing of it; so the Update has to be
    sent as well, to everybody, and tells whoever has the earlier words.
    """
    for waiting in published.unsent(tx, post_uri):
        activity = orjson.loads(waiting.document)
        said = {name: document[name] for name in ("to", "cc") if document.get(name)}
        body = _proven(tx, actor, {**activity, **said, "object": embedded(dict(document))})
        published.reword(tx, waiting.id, body)


def _addressed(activity: Mapping[str, Any], to: list[str]) -> dict[str, Any]:
    if to:
        kept = {name: value for name, value in activity.items() if name not in ADDRESSES}
        activity = {**kept, "to": to}
    if activity["type"] in ("Accept", "Reject"):
        # The request is somebody else's: whom it names is not whom we answer.
        return {**activity, "object": brief(activity.get("object"))}
    return dict(activity)


def _complete(
    tx: Transaction, actor: Actor, activity: dict[str, Any], uri: str, audience: Audience
) -> dict[str, Any]:
    """The document as others see it: every term in its context, recipients spelled in full."""
    # The audience property was read as a part of cc; of a project it is said again below.
    dropped = ("@context", "id", "actor", "to", "cc", "audience", "published")
    shown = without_hidden(activity)
    document = {
        "@context": CONTEXT,
        "id": uri,
        "actor": actor.uri,
        **{name: value for name, value in shown.items() if name not in dropped},
        "published": rfc3339(tx.now),
    }
    if audience.to:
        document["to"] = list(audience.to)
    if audience.cc:
        document["cc"] = list(audience.cc)
    if audience.project is not None and audience.project.id != actor.id:
        document["audience"] = audience.project.uri
    return document


def brief(activity: Any) -> Any:
    """A request as three ids and its type: some servers cannot read an embedded actor."""
    if not isinstance(activity, dict):
        return activity
    named = {"id": id_of(activity), "type": activity.get("type")}
    named |= {name: id_of(activity.get(name)) for name in ("actor", "object")}
    return {name: value for name, value in named.items() if value}


def _proven(tx: Transaction, actor: Actor, document: dict[str, Any]) -> bytes:
    key, method = local.prover(tx, actor)
    body = orjson.dumps(proofs.prove(document, key=key, method=method, now=tx.now))
    inner = document.get("object")
    if len(body) > WIRE_LIMIT and isinstance(inner, dict) and "source" in inner:
        # The source serves later edits here; nobody else shows it.
        shorter = {name: value for name, value in inner.items() if name != "source"}
        return _proven(tx, actor, {**document, "object": shorter})
    return body


def _tell_our_own(
    tx: Transaction, actor: Actor, kind: str, uri: str, body: bytes, audience: Audience
) -> None:
    """Put it where what arrives is worked on, already verified, if it concerns anyone here."""

    def arriving(owner_id: int) -> Incoming:
        return Incoming(uri=uri, actor_uri=actor.uri, owner_id=owner_id, type=kind, body=body)

    rows = []
    named = any(person.local for person in audience.named)
    # A post of one's own stands in one's own timeline, whoever it was for.
    if named or audience.kind != "direct" or kind == "Create":
        rows.append(arriving(SHARED_INBOX))
    # Nobody may read from the activity that they were told in secret: their inbox tells them.
    rows += [arriving(person.id) for person in audience.hidden if person.local]
    if rows:
        received.add_all(tx, rows)
