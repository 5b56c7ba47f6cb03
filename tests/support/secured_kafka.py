"""A Kafka with TLS and logins, and with certificates that are wrong in every way there is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from embedded import EmbeddedKafka
from embedded.ports import LOOPBACK

USER: Final = "headcount"
PASSWORD: Final = "made-up-password-of-headcount"
SETTINGS: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # the plain listener's clients, and the node itself
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]*).*$/$1/,DEFAULT",
}
JAAS: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority's, and those that it made out."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def stranger(self) -> Path:
        """An authority that made out nothing."""
        return self.folder / "stranger.pem"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.certificate.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key.pem"

    def encrypted_key(self, name: str, password: str) -> Path:
        """Encrypt a key anew."""
        path = self.folder / f"{name}.encrypted.pem"
        path.write_bytes(_pkcs8(self.key(name), BestAvailableEncryption(password.encode())))
        return path

    def both(self, name: str) -> Path:
        """Key and certificates in one file, as Kafka wants them."""
        return self.folder / f"{name}.pem"


def make_certificates(folder: Path) -> Certificates:
    """Make those of a server, good, misnamed and expired; a client's; and one that a stranger made out."""
    made = Certificates(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(made.authority))
    stranger.cert_pem.write_to_path(str(made.stranger))
    past = datetime.now(UTC) - timedelta(days=1)
    leaves = {
        "good": authority.issue_cert(LOOPBACK, "localhost"),
        "misnamed": authority.issue_cert("elsewhere.example"),
        "expired": authority.issue_cert(LOOPBACK, "localhost", not_after=past),
        "client": authority.issue_cert("client.example", common_name=USER),
        "uninvited": stranger.issue_cert("client.example", common_name=USER),
    }
    for name, leaf in leaves.items():
        leaf.private_key_pem.write_to_path(str(made.key(name)))
        for pem in leaf.cert_chain_pems:
            pem.write_to_path(str(made.certificate(name)), append=True)
        key = _pkcs8(made.key(name), NoEncryption())
        made.both(name).write_bytes(key + made.certificate(name).read_bytes())
    return made


def _pkcs8(path: Path, encryption: KeySerializationEncryption) -> bytes:
    """Put a key into the one form that Java reads."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


class SecuredKafka(EmbeddedKafka):
    """Has listeners for each kind of security, and for each kind of wrong certificate."""

    def __init__(self, home: Path) -> None:
        self.certificates = make_certificates(home / "certificates")
        super().__init__(home=home, settings=dict(self._secure()), heap_megabytes=384)
        self._protocols = {
            "CLIENT": "PLAINTEXT",
            "TLS": "SSL",
            "MISNAMED": "SSL",
            "EXPIRED": "SSL",
            "MUTUAL": "SSL",
            "LOGIN": "SASL_SSL",
            "PLAIN_LOGIN": "SASL_PLAINTEXT",
        }
        self._format_arguments = [f"--add-scram=SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]

    def environment(self, listener: str, **changed: str) -> Mapping[str, str]:
        """Return the settings that let a client in; some of them as given instead."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address_of(listener),
            "KAFKA_SECURITY_PROTOCOL": self._protocols[listener],
            "KAFKA_SSL_CA_LOCATION": str(self.certificates.authority),
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            **changed,
        }

    def _secure(self) -> Iterator[tuple[str, str]]:
        yield from SETTINGS.items()
        yield "ssl.keystore.location", str(self.certificates.both("good"))
        yield "ssl.truststore.location", str(self.certificates.authority)
        for listener in ("misnamed", "expired"):
            yield f"listener.name.{listener}.ssl.keystore.location", str(self.certificates.both(listener))
            yield f"listener.name.{listener}.ssl.keystore.type", "PEM"
        yield "listener.name.mutual.ssl.client.auth", "required"
        for listener in ("login", "plain_login"):
            yield f"listener.name.{listener}.scram-sha-512.sasl.jaas.config", JAAS
