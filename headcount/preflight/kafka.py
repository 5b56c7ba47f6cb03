"""Whether Kafka lets us in: aiokafka only logs why it does not, and calls every cause a connection."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    NoError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from headcount import tls
from headcount.clients import kafka_options
from headcount.wiring import Config
from ingest.errors import OperatorError

ENTRY_SECONDS: Final = 2.0
_OF_CLIENTS: Final = frozenset({"bootstrap_servers", "retry_backoff_ms"})
_WELCOMES: Final = frozenset({NoError, UnsupportedSaslMechanismError})

Address = tuple[str, int]


async def advertised_refusal(config: Config) -> str | None:
    """Say which address Kafka names for itself that this machine cannot use; None if there is no such.

    A client is sent there as soon as a server in KAFKA_BOOTSTRAP_SERVERS has answered.
    """
    for host, port, _family in collect_hosts(config.kafka.bootstrap_servers):
        try:
            async with asyncio.timeout(ENTRY_SECONDS):
                brokers = await _enter((host, port), _options(config))
        except (OSError, KafkaError):
            continue
        problems = await asyncio.gather(*map(_connection_problem, brokers))
        for (broker, number), problem in zip(brokers, problems, strict=True):
            if problem:
                return (
                    f"Kafka at {host}:{port} answers and sends clients to {broker}:{number}, its advertised "
                    f"listener, which {problem}. Set advertised.listeners of that broker to an address "
                    "that this machine can reach, or have the name resolved here."
                )
    return None


async def _connection_problem(address: Address) -> str | None:
    try:
        async with asyncio.timeout(ENTRY_SECONDS):
            _reader, writer = await asyncio.open_connection(*address)
            writer.close()
    except socket.gaierror as error:
        return f"can't be resolved ({error.strerror})"
    except (OSError, UnicodeError) as error:
        return f"can't be reached ({str(error) or 'it took too long'})"
    return None


async def check_entry(config: Config) -> None:
    """Try each server once, up to one that lets us in.

    Raises `OperatorError` where one is there and no waiting helps; returns where they are merely away.
    """
    for host, port, _family in collect_hosts(config.kafka.bootstrap_servers):
        try:
            async with asyncio.timeout(ENTRY_SECONDS):
                await _enter((host, port), _options(config))
        except TimeoutError:
            continue  # it hangs, and would do so at every probe
        except (OSError, KafkaError) as error:
            sentence = await _refusal(config, (host, port), error)
            if sentence:
                raise OperatorError(sentence) from error
        else:
            return


def _options(config: Config) -> dict[str, Any]:
    """Return what a single connection is made with, of what a client is."""
    options = kafka_options(config)
    return {name: value for name, value in options.items() if name not in _OF_CLIENTS}


async def _enter(address: Address, options: Mapping[str, Any]) -> Sequence[Address]:
    """Connect, log in and return the addresses that the brokers advertise."""
    connection: AIOKafkaConnection = await create_conn(*address, **options)
    try:
        # A server that wants a login, or a certificate, shows it no sooner than at the first question.
        metadata = await connection.send(MetadataRequest([]))
        return [(host, port) for _node, host, port, *_ in metadata.brokers]
    finally:
        await connection.close()


async def _refusal(config: Config, address: Address, error: BaseException) -> str | None:
    return (
        tls.certificate_refusal(error, "KAFKA")
        or _login_refusal(config, error)
        or await _protocol_refusal(config, address)
        or await _certificate_refusal(config, address)
    )


def _login_refusal(config: Config, error: BaseException) -> str | None:
    mechanism, protocol = config.kafka.sasl_mechanism, config.kafka.security_protocol
    if isinstance(error, SaslAuthenticationFailed):
        return (
            "Kafka does not accept KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: correct them, "
            f"or give Kafka such a user for {mechanism}."
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"Kafka takes no login by {mechanism}: set KAFKA_SASL_MECHANISM to one that it takes."
    if isinstance(error, IllegalSaslStateError):
        return (
            "Kafka takes no login at that port: "
            f"set KAFKA_SECURITY_PROTOCOL to {protocol.removeprefix('SASL_')}, or name another port."
        )
    return None


async def _protocol_refusal(config: Config, address: Address) -> str | None:
    """Try the protocols beside the one that is set."""
    protocol = config.kafka.security_protocol
    is_encrypted = protocol.endswith("SSL")
    if is_encrypted and await _said_to_login(address, {}) is not None:
        found, wanted = "speaks no TLS", protocol.removesuffix("SSL") + "PLAINTEXT"
    elif not is_encrypted and await tls.speaks_tls(*address):
        found, wanted = "speaks TLS", protocol.removesuffix("PLAINTEXT") + "SSL"
    elif not protocol.startswith("SASL_") and await _said_to_login(address, _options(config)) in _WELCOMES:
        found, wanted = "wants a login", f"SASL_{protocol}"
    else:
        return None
    server = f"{address[0]}:{address[1]}"
    return f"Kafka at {server} {found}: set KAFKA_SECURITY_PROTOCOL to {wanted}, or name another port."


async def _certificate_refusal(config: Config, address: Address) -> str | None:
    if not config.kafka.security_protocol.endswith("SSL"):
        return None
    return await tls.own_certificate_refusal(config, "KAFKA", *address)


async def _said_to_login(address: Address, options: Mapping[str, Any]) -> type[KafkaError] | None:
    """Return what Kafka says to the beginning of a login; None where it says nothing."""
    try:
        async with asyncio.timeout(ENTRY_SECONDS):
            connection = await create_conn(*address, **options)
            try:
                answer = await connection.send(SaslHandShakeRequest("PLAIN"))
            finally:
                await connection.close()
    except (OSError, KafkaError, TimeoutError):
        return None
    said: type[KafkaError] = for_code(answer.error_code)
    return said
