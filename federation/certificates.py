"""Certificates for servers on this machine, by an authority of their own.

For measuring and for trying things out: whoever is to believe them is given the authority's file,
see `federation.extra_ca_file`. No school serves TLS by itself.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAYS = timedelta(days=2)


def write(authority: Path, server: Path, names: Sequence[str]) -> None:
    """Make an authority, and by it a certificate for these names, with its key in the same file.

    A name with `*.` in front stands for all below it, as everywhere.
    """
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Staffroom bench authority")])
    top = _signed(issuer, issuer, issuer_key, issuer_key, x509.BasicConstraints(True, 0))
    authority.write_bytes(top.public_bytes(Encoding.PEM))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Staffroom bench")])
    alternatives = x509.SubjectAlternativeName([_name(name) for name in names])
    leaf = _signed(subject, issuer, key, issuer_key, alternatives)
    server.touch(mode=0o600)
    server.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + leaf.public_bytes(Encoding.PEM)
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    more: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - DAYS, now + DAYS
    )
    critical = isinstance(more, x509.BasicConstraints)
    return builder.add_extension(more, critical=critical).sign(issuer_key, hashes.SHA256())
