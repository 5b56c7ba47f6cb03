"""Settings of Kafka clients: addresses, security, topic and consumer group."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from headcount.settings.validators import (
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    TRUSTED_CAS,
    ExistingFile,
    check_client_certificate,
    check_host,
    check_port,
)

_SASL_SETTINGS: Final = ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
_match_server = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s,:\[\]]+)):([0-9]{1,5})").fullmatch


def _check_servers(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        form = _match_server(server)
        if form is None:
            raise ValueError("not a list of host:port")
        check_host(form[1] or form[2])
        check_port(form[3])
    return ",".join(servers)


def _check_topic(name: str) -> str:
    if name in {".", ".."}:
        raise ValueError("not a topic name")
    return name


class KafkaSettings(BaseModel):
    """The settings of every client of Kafka."""

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_check_servers)] = Field(
        default="localhost:9092", description="host:port, or a comma-separated list of them"
    )
    kafka_topic: Annotated[str, AfterValidator(_check_topic)] = Field(
        default="user-activity",
        pattern=r"^[A-Za-z0-9._-]{1,240}$",  # Kafka takes 249; the erasures' topic adds ".erasures"
        description="1 to 240 characters from A-Z a-z 0-9 . _ -",
    )
    kafka_group_id: str = Field(default="headcount", max_length=255, description="1 to 255 characters")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(default=None, description="the user name for the login at Kafka")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, description="the password for the login at Kafka"
    )
    kafka_ssl_ca_location: ExistingFile | None = Field(default=None, description=TRUSTED_CAS)
    kafka_ssl_certificate_location: ExistingFile | None = Field(default=None, description=CLIENT_CERTIFICATE)
    kafka_ssl_key_location: ExistingFile | None = Field(default=None, description=CLIENT_KEY)
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, description="the password of the encrypted private key file"
    )

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        missing = [name.upper() for name in _SASL_SETTINGS if getattr(self, name) is None]
        if self.kafka_security_protocol.startswith("SASL_") and missing:
            raise PydanticCustomError(
                "sasl_incomplete",
                "KAFKA_SECURITY_PROTOCOL='{protocol}' also requires {missing}",
                {"protocol": self.kafka_security_protocol, "missing": " and ".join(missing)},
            )
        return self

    @model_validator(mode="after")
    def _has_a_whole_certificate(self) -> Self:
        check_client_certificate(self, "kafka")
        return self
