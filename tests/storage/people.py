"""People, posts and activities for tests: believable, short to write, and nothing left out.

Ours are at oakfield.example, the school of the transaction; others wherever the test says.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson

from actors import profile
from storage import (
    actors,
    deliveries,
    follows,
    keys,
    memberships,
    objects,
    projects,
    published,
    received,
)
from storage.actors import Actor, RemoteFields
from storage.objects import Post
from storage.received import Incoming
from storage.transaction import Transaction


def later(tx: Transaction, **time: float) -> None:
    """Let time pass: `later(tx, hours=2)`."""
    tx.now += timedelta(**time)


def person(tx: Transaction, username: str, *, kind: str = "Person", name: str = "") -> Actor:
    """A member of our staff, with a key to sign with."""
    uri = f"{tx.school.url}/users/{username}"
    actor = actors.add_local(
        tx,
        uri=uri,
        type=kind,
        username=username,
        name=name or username.title(),
        url=f"{tx.school.url}/@{username}",
        inbox=f"{uri}/inbox",
        shared_inbox=f"{tx.school.url}/inbox",
        outbox=f"{uri}/outbox",
        followers=f"{uri}/followers",
        following=f"{uri}/following",
        featured=f"{uri}/featured",
        document={"fields": []},
    )
    keys.add(
        tx,
        uri=f"{uri}#main-key",
        actor_id=actor.id,
        algorithm="rsa",
        public=b"public " + username.encode(),
        private=b"sealed " + username.encode(),
    )
    return actor


def remote_fields(
    username: str, host: str = "riverside.example", *, shared: bool = True, **changes: Any
) -> RemoteFields:
    """What the document of someone at another school says."""
    uri = f"https://{host}/users/{username}"
    fields = RemoteFields(
        uri=uri,
        peer_host=host,
        type="Person",
        username=username,
        host=host,
        name=username.title(),
        summary="",
        url=f"https://{host}/@{username}",
        inbox=f"{uri}/inbox",
        shared_inbox=f"https://{host}/inbox" if shared else None,
        outbox=f"{uri}/outbox",
        followers=f"{uri}/followers",
        following=f"{uri}/following",
        featured=None,
        approves_followers=False,
        moved_to=None,
        state="active",
        document=orjson.dumps({"id": uri, "type": "Person"}).decode(),
    )
    return replace(fields, **changes)


def colleague(
    tx: Transaction,
    username: str,
    host: str = "riverside.example",
    *,
    shared: bool = True,
    **changes: Any,
) -> Actor:
    """Someone at another school; `shared=False` where their server has no shared inbox."""
    return actors.save_remote(tx, remote_fields(username, host, shared=shared, **changes))


def project(
    tx: Transaction, slug: str, *members: Actor, private: bool = False, host: str | None = None
) -> Actor:
    """A project with these members, of this school or of another."""
    if host is None:
        group = person(tx, slug, kind="Group")
    else:
        group = colleague(tx, slug, host, type="Group")
    projects.add(tx, group.id, openness="private" if private else "open")
    for member in members:
        join(tx, group, member)
    return group


def join(tx: Transaction, group: Actor, member: Actor) -> None:
    """Somebody is in a project from now on."""
    memberships.begin(tx, group.id, member.id, "editor", f"{group.uri}/adds/{member.id}")


def add_alias(tx: Transaction, actor_id: int, uri: str) -> None:
    """One of ours had that account before, and says so."""
    actor = actors.by_id(tx, actor_id)
    assert actor is not None
    said = profile.of(actor).document()
    actors.update_local(tx, actor_id, document=said | {"aliases": [*said["aliases"], uri]})


def follow(tx: Transaction, follower: Actor, followee: Actor, *, accepted: bool = True) -> None:
    follows.request(tx, follower.id, followee.id, f"{follower.uri}/follows/{followee.id}")
    if accepted:
        follows.accept(tx, follower.id, followee.id)


def post(
    tx: Transaction,
    author: Actor,
    *,
    audience: str = "public",
    to: Iterable[Actor] = (),
    hidden: Iterable[Actor] = (),
    reply_to: Post | None = None,
    project: Actor | None = None,
    content: str = "<p>Minutes of the science meeting</p>",
) -> Post:
    """A note that `author` wrote just now, for `audience`, naming `to`."""
    id_ = tx.new_id()
    base = tx.school.url if author.local else f"https://{author.host}"
    uri = f"{base}/objects/{id_}"
    written, new = objects.add(
        tx,
        id=id_,
        uri=uri,
        author_id=author.id,
        type="Note",
        audience=audience,
        name=None,
        summary=None,
        content=content,
        url=f"{base}/@{author.username}/{id_}",
        in_reply_to=None if reply_to is None else reply_to.uri,
        document={"id": uri, "type": "Note", "content": content},
        published_at=tx.now,
        recipients=[(actor.id, False) for actor in to] + [(actor.id, True) for actor in hidden],
        project_id=None if project is None else project.id,
    )
    assert new
    return written


def activity(
    tx: Transaction,
    actor: Actor,
    about: Post | str,
    *,
    kind: str = "Create",
    audience: str | None = None,
    project: Actor | None = None,
    forwarded: bool = False,
) -> int:
    """An activity of one of ours, published; its id."""
    id_ = tx.new_id()
    object_uri = about if isinstance(about, str) else about.uri
    if audience is None:
        audience = "public" if isinstance(about, str) else about.audience
    uri = f"{tx.school.url}/activities/{id_}"
    body = {"id": uri, "type": kind, "actor": actor.uri, "object": object_uri}
    assert published.add(
        tx,
        id=id_,
        uri=uri,
        actor_id=actor.id,
        type=kind,
        object_uri=object_uri,
        audience=audience,
        document=orjson.dumps(body),
        forwarded=forwarded,
        project_id=None if project is None else project.id,
    )
    return id_


def activity_uri(tx: Transaction, id_: int) -> str:
    return f"{tx.school.url}/activities/{id_}"


def send(tx: Transaction, actor: Actor, about: Post | str, to: deliveries.To, **more: Any) -> int:
    """Publish an activity and write its deliveries; its id."""
    id_ = activity(tx, actor, about, **more)
    deliveries.enqueue(tx, id_, to)
    return id_


def arriving(
    number: int | str,
    sender: str = "https://riverside.example/users/bob",
    *,
    about: str | None = None,
    kind: str = "Create",
    owner_id: int = 0,
) -> Incoming:
    """An activity as it stands at the door."""
    uri = f"{sender}/activities/{number}"
    document = {"id": uri, "type": kind, "actor": sender, "object": about}
    return Incoming(uri, sender, owner_id, kind, orjson.dumps(document))


def arrived(tx: Transaction, incoming: Incoming) -> int:
    """Keep one activity; the id of its row."""
    known = {row.id for row in received.claim(tx, limit=1000, lease=timedelta(0))}
    assert received.add_all(tx, [incoming]) == [True]
    (new,) = (
        row for row in received.claim(tx, limit=1000, lease=timedelta(0)) if row.id not in known
    )
    return new.id
