"""Who knocks: whether we talk to them, whether it is really them, whether they may.

One function per check; each raises. What is remembered for a minute about a known sender saves
the look into the database; whether it still holds is asked once more by who keeps what came.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from aiohttp import web

from actors import remote
from actors.server import Mode, Server
from federation import addresses, keys, signatures, vocabulary
from federation.activity import Activity
from federation.addresses import Rules
from federation.errors import BadSignature, Gone, Malformed, Refused
from federation.signatures import Claim, Message
from inbox import concerned, missing
from storage import actors, peers, projects
from storage import keys as key_rows
from storage.actors import Actor
from storage.database import Transaction

SHARED = 0
LEFT = -1  # the inbox of somebody who works here no more
PROJECTS = "/projects/"
# What nobody passes on, whatever proof is inside.
FIRST_HAND = frozenset({"Accept", "Add", "Invite", "Join", "Leave", "Reject", "Remove"})


@dataclass(frozen=True, slots=True)
class Standing:
    """What we know about the one who knocks, before anything is fetched.

    `public` is the key that is claimed and `signer` its owner; `owner_id` the inbox, None if
    there is no such inbox, LEFT if its owner works here no more. States are those of the rows,
    None for actors we do not know. `proven` is false for who says that they are gone, and whose
    server says 404: that is to be looked at again (`inbox/goodbyes.py`). `hosts` are the servers
    that speak here.
    """

    public: bytes | None
    signer: str | None
    signer_state: str | None
    actor_state: str | None
    owner_id: int | None
    proven: bool = True
    hosts: tuple[str, ...] = ()


def claimed(message: Message) -> Claim | BadSignature:
    """Who says to have signed it. That nobody does is an answer for later; 400 for a broken one."""
    try:
        return signatures.read(message)
    except BadSignature as error:
        return error


async def known(
    server: Server, activity: Activity, claim: Claim | BadSignature, path: str
) -> Standing:
    """What we know about the sender, from a minute's memory or one look; 403 if we do not talk.

    What is remembered is asked again in the transaction that keeps what came. The inbox of a
    project is looked up each time: who is in it, or was invited, may have changed just now.
    """
    if not (isinstance(claim, BadSignature) or path.startswith(PROJECTS)):
        name = _name(activity, claim, path)
        remembered: Standing | None = server.standings.recall(name, server.now())
        if remembered is not None:
            return remembered
    hosts = hosts_of(activity, claim, server.rules)
    not_in_our_name(server.school.host, hosts)
    key_id = None if isinstance(claim, BadSignature) else claim.key_id
    return await server.database.read(_look, server.mode, hosts, key_id, activity.actor, path)


def _name(activity: Activity, claim: Claim, path: str) -> str:
    return f"{claim.key_id} {activity.actor} {path}"


def hosts_of(activity: Activity, claim: Claim | BadSignature, rules: Rules) -> tuple[str, ...]:
    """The servers that speak to us here: the actor's and the key's, usually one."""
    hosts = {addresses.authority(activity.actor, rules)}
    if not isinstance(claim, BadSignature):
        hosts.add(addresses.authority(claim.key_id, rules))
    return tuple(sorted(hosts))


def not_in_our_name(ours: str, hosts: Collection[str]) -> None:
    """403 for our own actors: they do not knock from outside."""
    if ours in hosts:
        raise Refused("our own actors do not knock from outside")


def welcome(tx: Transaction, mode: Mode, hosts: Collection[str]) -> dict[str, Refused]:
    """Those of the hosts that are blocked, or in `network` mode not listed, each with the 403."""
    refused = {}
    for host, policy in peers.policies(tx, hosts).items():
        if policy == "blocked":
            refused[host] = Refused(f"{host} is blocked")
        elif mode == "network" and policy != "allowed":
            refused[host] = Refused(f"{host} is not on our list")
    return refused


def _look(
    tx: Transaction,
    mode: Mode,
    hosts: tuple[str, ...],
    key_id: str | None,
    actor_uri: str,
    path: str,
) -> Standing:
    for error in welcome(tx, mode, hosts).values():
        raise error
    key = key_rows.by_uri(tx, key_id) if key_id is not None else None
    signer = actors.by_id(tx, key.actor_id) if key is not None else None
    same = signer is not None and signer.uri == actor_uri
    actor = signer if same else actors.by_uri(tx, actor_uri)
    return Standing(
        public=None if key is None else key.public,
        signer=None if signer is None else signer.uri,
        signer_state=None if signer is None else signer.state,
        actor_state=None if actor is None else actor.state,
        owner_id=inbox_at(tx, path, signer or actor),
        hosts=hosts,
    )


def inbox_at(tx: Transaction, path: str, sender: Actor | None) -> int | None:
    """Whose inbox is at this path: SHARED, LEFT, or None for nobody's.

    A private project has one only for those who are in it or were invited, be it there or gone.
    """
    if path == "/inbox":
        return SHARED
    place, _, inbox = path.rpartition("/")
    if inbox != "inbox":
        return None
    folder, _, username = place.rpartition("/")
    if folder == "/users":
        owner = actors.local_by_username(tx, username)
        if owner is not None and owner.type != "Person":
            return None
    elif folder == "/projects" or place in {"/actor", "/school"}:
        owner = actors.by_uri(tx, f"{tx.school.url}{place}")
    else:
        return None
    knows = None if sender is None else sender.id
    if owner is None or projects.hidden(tx, knows, owner):
        return None
    return LEFT if owner.state == "deleted" else owner.id


def forgettable(activity: Activity, standing: Standing) -> bool:
    """Whether someone whom we do not know, or not any more, says that they are gone."""
    return _by_itself(activity) and standing.actor_state in {None, "deleted"}


def _by_itself(activity: Activity) -> bool:
    return activity.type == "Delete" and vocabulary.id_of(activity.object) == activity.actor


def signed(claim: Claim | BadSignature) -> Claim:
    """401 for a request without a signature, with two, or with one nobody could check."""
    if isinstance(claim, BadSignature):
        raise claim
    return claim


async def verified(
    server: Server,
    activity: Activity,
    claim: Claim,
    message: Message,
    standing: Standing,
    path: str,
) -> Standing:
    """401 unless the claimed key signed this request just now; 503 if the key cannot be had.

    The key is fetched if we do not have it, and asked for once more if it does not fit, since
    keys change.
    """
    name = _name(activity, claim, path)
    if standing.public is None:
        signatures.screen(claim, message, server.now())
        try:
            await remote.key(server, claim.key_id)
        except BadSignature:
            return await gone_by_its_own_word(server, activity, standing)
        standing = await _look_again(server, activity, claim, path)
    try:
        signed_by(server, claim, message, standing)
    except BadSignature:
        signatures.screen(claim, message, server.now())  # no other key would help
        fresh = await remote.refreshed_key(server, claim.key_id)
        if fresh is None or fresh.public == standing.public:
            raise
        standing = await _look_again(server, activity, claim, path)
        signed_by(server, claim, message, standing)
    if server.standings.recall(name, server.now()) is not standing:
        server.standings.note(name, standing, server.now())
    return standing


def signed_by(server: Server, claim: Claim, message: Message, standing: Standing) -> None:
    """401 unless that key signed all of this request that counts, for us, not long ago."""
    if standing.public is None:
        raise BadSignature(f"there is no key {claim.key_id}")
    signatures.verify(claim, message, keys.load(standing.public), server.now())


async def _look_again(server: Server, activity: Activity, claim: Claim, path: str) -> Standing:
    hosts = hosts_of(activity, claim, server.rules)
    return await server.database.read(_look, server.mode, hosts, claim.key_id, activity.actor, path)


async def gone_by_its_own_word(server: Server, activity: Activity, standing: Standing) -> Standing:
    """An actor whom we know says that they are gone, and so is the key that could prove it.

    Then their own server is asked. 410 is its word, 404 is half of it: kept, and not proven.
    Anything else: 401, nobody is deleted on a claim alone. Whoever claims it again soon does not
    make us ask again.
    """
    asked = f"gone? {activity.actor}"
    if _by_itself(activity) and server.refreshed.recall(asked, server.now()) is None:
        server.refreshed.note(asked, True, server.now())
        try:
            await remote.fetch(server, activity.actor)
        except Gone as gone:
            return replace(
                standing,
                signer=activity.actor,
                signer_state=standing.actor_state,
                proven=gone.status == 410,
            )
        except (Malformed, Refused):
            pass
    raise BadSignature("the key cannot be had")


async def speaks_for_itself(server: Server, activity: Activity, standing: Standing) -> None:
    """401 unless the key is the actor's, or the actor's own proof is inside (FEP-8b32).

    What settles who is in a project, and what an actor says of itself, is not believed from whom
    it was once told: they could say it again when it holds no more. Its own server may bring it.
    """
    if standing.signer == activity.actor:
        return
    if standing.signer is None or not _same_server(standing.signer, activity):
        not_from_others(activity)
    await missing.prove(server, activity)


def not_from_others(activity: Activity) -> None:
    """401 for what is between its actor and us."""
    about_itself = activity.type == "Update" and vocabulary.id_of(activity.object) == activity.actor
    if about_itself or activity.type in FIRST_HAND:
        raise BadSignature(f"{activity.type} comes from its own actor, or not at all")


def _same_server(signer: str, activity: Activity) -> bool:
    return addresses.same_origin(signer, activity.actor, activity.rules)


def allowed_to(kind: str, standing: Standing) -> None:
    """403 for what a suspended actor may not do, whether they act or only sign."""
    for state in (standing.signer_state, standing.actor_state):
        if state is not None:
            concerned.in_good_standing(kind, state)


def inbox_of(activity: Activity, standing: Standing) -> int:
    """404 where there is no inbox, or none that the signer may know of; 410 for who left.

    That something came to somebody's own inbox lets them read it (bcc). Only its author can say
    so: what anybody else passes on is as if it had come to the shared one.
    """
    if standing.owner_id is None:
        raise web.HTTPNotFound
    if standing.owner_id == LEFT:
        raise web.HTTPGone
    return standing.owner_id if standing.signer == activity.actor else SHARED
