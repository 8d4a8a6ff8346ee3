"""The certificates of servers that are only there to be measured."""

import ssl
from pathlib import Path

import pytest

from federation import certificates


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """Client and server talk through memory until both are content."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, other]
    for _ in range(6):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting


def test_a_bench_server_is_believed_under_its_names_by_whoever_has_the_authority(
    tmp_path: Path,
) -> None:
    authority, served = tmp_path / "authority.pem", tmp_path / "server.pem"
    certificates.write(authority, served, ["sink1.localhost", "127.0.0.1"])
    assert served.stat().st_mode & 0o777 == 0o600
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(served)
    trusting = ssl.create_default_context(cafile=str(authority))
    shake_hands(trusting, server, "sink1.localhost")
    shake_hands(trusting, server, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(trusting, server, "sink2.localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ssl.create_default_context(), server, "sink1.localhost")
