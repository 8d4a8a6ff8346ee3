"""Who is asking, and what kind of reader that makes them.

Between schools every ActivityPub GET is signed. In `network` mode that is demanded, before
anything is looked up; in `open` mode an unsigned GET reads what is public (PROTOCOL §1.6).
"""

from aiohttp import web
from multidict import CIMultiDict

from actors import accounts, admission, remote
from actors.server import Server
from federation import addresses, signatures
from federation import keys as federation_keys
from federation.errors import BadSignature, Malformed, Refused, WireError
from federation.signatures import Claim, Message
from storage import actors, keys, peers
from storage.actors import Actor
from storage.audience import NOBODY, Viewer
from storage.database import Busy, Transaction, Unavailable
from storage.keys import Key


async def viewer_of(server: Server, request: web.Request) -> Viewer:
    """The reader behind a GET: one of ours with a token, an actor that signed, or anybody.

    Raises BadSignature for a signature or token that does not hold, and in `network` mode for an
    unsigned request; Refused for a host or actor we do not talk to; Unreachable.
    """
    if "Authorization" in request.headers:
        return await _reader_with_token(server, request)
    signer = await signer_of(server, request)
    if signer is not None:
        return Viewer(actor_id=signer.id, local=False)
    if server.mode == "network":
        raise BadSignature("unsigned")
    return NOBODY


async def _reader_with_token(server: Server, request: web.Request) -> Viewer:
    token = accounts.bearer(request.headers["Authorization"])
    found = await server.database.read(accounts.by_token, token)
    if found is None:
        raise BadSignature("unknown token")
    reader, scopes = found
    if "read" not in scopes:
        raise Refused("this token may not read")
    return Viewer(actor_id=reader.id, local=True)


async def signer_of(server: Server, request: web.Request) -> Actor | None:
    """The actor whose signature a GET carries; None when it carries none.

    Raises BadSignature, Malformed, Refused, Unreachable.
    """
    if not _signed(request):
        return None
    message = _message(server, request)
    claim = signatures.read(message)
    # Before its key is fetched: does it cover what it must, and is it of today?
    signatures.screen(claim, message, server.now())
    key = await remote.key(server, claim.key_id)
    key = await _verified(server, claim, message, key)
    return await _heard(server, key)


async def note_knock(server: Server, request: web.Request) -> None:
    """A signed GET of what is open to everybody is a sign of life, if we hold the key already.

    A school that starts knocks like this. Its key is fetched only where something waits for that
    server, and would ask it anyhow, or two schools that look each other up would do so for ever; a
    signature that does not hold changes nothing.
    """
    if not _signed(request):
        return
    try:
        message = _message(server, request)
        claim = signatures.read(message)
        host = addresses.authority(claim.key_id, server.rules)
        key, wanted = await server.database.read(_known_key, server.mode, host, claim.key_id)
        if key is None and wanted:
            signatures.screen(claim, message, server.now())
            key = await remote.key(server, claim.key_id)
        if key is not None:
            signatures.verify(claim, message, federation_keys.load(key.public), server.now())
            await _heard(server, key)
    except WireError:
        return


def _known_key(tx: Transaction, mode: str, host: str, key_id: str) -> tuple[Key | None, bool]:
    """The key, if we hold it, and whether anything here waits for that server."""
    admission.admit(tx, mode, host)
    return keys.by_uri(tx, key_id), peers.is_awaited(tx, host)


def _signed(request: web.Request) -> bool:
    return bool({"Signature", "Signature-Input"} & request.headers.keys())


def _message(server: Server, request: web.Request) -> Message:
    if request.body_exists:
        raise Malformed("a signed GET with a body")
    return Message(
        method=request.method,
        # Our own public address, never what a stranger's Host or forwarding header says.
        url=server.school.url + request.raw_path,
        headers=CIMultiDict(request.headers),
        body=b"",
    )


async def _verified(server: Server, claim: Claim, message: Message, key: Key) -> Key:
    """The key that fits the signature: the one we know, else what its owner lists now."""
    try:
        signatures.verify(claim, message, federation_keys.load(key.public), server.now())
    except BadSignature:
        fresh = await remote.refreshed_key(server, claim.key_id)
        if fresh is None or fresh.public == key.public:
            raise
        signatures.verify(claim, message, federation_keys.load(fresh.public), server.now())
        return fresh
    return key


async def _heard(server: Server, key: Key) -> Actor:
    """A proven sender: it must be active, and its server is awake, so its lane may start."""
    signer = await server.database.read(actors.by_id, key.actor_id)
    if signer is None or signer.local or signer.state != "active":
        raise Refused("a suspended or deleted actor signs nothing")
    host = addresses.authority(signer.uri, server.rules)
    if server.heard.recall(host, server.now()) is None:
        server.heard.note(host, True, server.now())
        try:
            await server.database.write(peers.heard, host)
        except (Busy, Unavailable):  # who only reads is answered also while nothing can be written
            server.heard.forget(host)
    return signer
