"""Where the houses of the town are: a resolver that knows them and nobody else, and their TLS."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_INET, AI_NUMERICHOST, AI_NUMERICSERV, AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation import guard
from federation.addresses import Rules


class Streets(AbstractResolver):
    """Names of the town to ports on this machine. Other names do not exist.

    `numbers` holds names that lead to other addresses, such as that of the school's printer.
    """

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.numbers: dict[str, str] = {}
        self.asked: list[str] = []  # every name that was looked up, in order
        self.cut: set[str] = set()  # names that no school is told any more

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        """Where `host` listens, whatever port was asked for."""
        self.asked.append(host)
        if host not in self.ports and host not in self.numbers:
            raise OSError(f"{host} is not in this town")
        return [
            {
                "hostname": host,
                "host": self.numbers.get(host, "127.0.0.1"),
                "port": self.ports.get(host, port),
                "family": AF_INET,
                "proto": 0,
                "flags": AI_NUMERICHOST | AI_NUMERICSERV,
            }
        ]

    async def close(self) -> None:
        """Nothing to give back: one resolver serves the whole town."""


class Watched(guard.Guarded):
    """The product's guard, which knows that the houses of the town may be gone to."""

    def __init__(self, streets: Streets, rules: Rules) -> None:
        super().__init__(streets, rules)
        self._streets = streets

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        """Where `host` listens; judged as on the internet unless it is a house of the town."""
        if host in self._streets.cut:
            raise OSError(f"the line to {host} is cut")
        found = await self.look_up(host, port, family)
        if host not in self._streets.ports:
            self.judge(found)
        return found


class Authority:
    """A certificate authority made for this run, kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The town's authority")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        certificate = (
            self._begin(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def client(self) -> ssl.SSLContext:
        """What a caller needs who trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.file))

    def server(self, host: str) -> ssl.SSLContext:
        """What a house called `host` needs to be believed."""
        if host not in self._contexts:
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
            certificate = (
                self._begin(name, key.public_key())
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
                .add_extension(
                    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
                )
                .sign(self._key, hashes.SHA256())
            )
            file = self._folder / f"{host}.pem"
            file.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                + certificate.public_bytes(serialization.Encoding.PEM)
            )
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(file)
            self._contexts[host] = context
        return self._contexts[host]

    def _begin(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)  # TLS goes by the machine's clock, not by the town's
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )
