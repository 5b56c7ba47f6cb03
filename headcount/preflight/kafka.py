"""Explains why a connection to Kafka fails; aiokafka reports every cause as a connection error."""

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

LOGIN_SECONDS: Final = 2.0
_CLIENT_ONLY_OPTIONS: Final = frozenset({"bootstrap_servers", "retry_backoff_ms"})
_SASL_REPLIES: Final = frozenset({NoError, UnsupportedSaslMechanismError})

Address = tuple[str, int]


async def advertised_refusal(config: Config) -> str | None:
    """Return a sentence on an advertised listener that this machine can't use; None if there is none.

    Clients connect to the advertised listeners once a server in KAFKA_BOOTSTRAP_SERVERS has answered.
    """
    for host, port, _family in collect_hosts(config.kafka.bootstrap_servers):
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                brokers = await _log_in((host, port), _options(config))
        except (OSError, KafkaError):
            continue
        problems = await asyncio.gather(*map(_connection_problem, brokers))
        for (broker, number), problem in zip(brokers, problems, strict=True):
            if problem:
                return (
                    f"Kafka at {host}:{port} answers but redirects clients to its advertised listener "
                    f"{broker}:{number}, which {problem}. Set advertised.listeners of that broker to an "
                    "address that this machine can reach, or make the name resolvable here."
                )
    return None


async def _connection_problem(address: Address) -> str | None:
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            _reader, writer = await asyncio.open_connection(*address)
            writer.close()
    except socket.gaierror as error:
        return f"can't be resolved ({error.strerror})"
    except (OSError, UnicodeError) as error:
        return f"can't be reached ({str(error) or 'request timed out'})"
    return None


async def check_kafka_login(config: Config) -> None:
    """Try to log in to each server, until one succeeds.

    Raises `OperatorError` if a server answers and refuses for a reason that does not pass by itself;
    returns if the servers are only down.
    """
    for host, port, _family in collect_hosts(config.kafka.bootstrap_servers):
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                await _log_in((host, port), _options(config))
        except TimeoutError:
            continue  # it hangs, and would hang at every further probe
        except (OSError, KafkaError) as error:
            sentence = await _refusal(config, (host, port), error)
            if sentence:
                raise OperatorError(sentence) from error
        else:
            return


def _options(config: Config) -> dict[str, Any]:
    """Return the options of a single connection, which are a subset of a client's."""
    options = kafka_options(config)
    return {name: value for name, value in options.items() if name not in _CLIENT_ONLY_OPTIONS}


async def _log_in(address: Address, options: Mapping[str, Any]) -> Sequence[Address]:
    """Connect, log in and return the addresses that the brokers advertise."""
    connection: AIOKafkaConnection = await create_conn(*address, **options)
    try:
        # A server that requires a login or a certificate refuses no sooner than at the first request.
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
            f"or create that user in Kafka for {mechanism}."
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return (
            f"Kafka does not support {mechanism}: set KAFKA_SASL_MECHANISM to a mechanism that it supports."
        )
    if isinstance(error, IllegalSaslStateError):
        return (
            "Kafka supports no login at that port: "
            f"set KAFKA_SECURITY_PROTOCOL to {protocol.removeprefix('SASL_')}, or use another port."
        )
    return None


async def _protocol_refusal(config: Config, address: Address) -> str | None:
    """Try the security protocols other than the configured one."""
    protocol = config.kafka.security_protocol
    is_encrypted = protocol.endswith("SSL")
    if is_encrypted and await _sasl_reply(address, {}) is not None:
        found, needed = "does not use TLS", protocol.removesuffix("SSL") + "PLAINTEXT"
    elif not is_encrypted and await tls.speaks_tls(*address):
        found, needed = "uses TLS", protocol.removesuffix("PLAINTEXT") + "SSL"
    elif not protocol.startswith("SASL_") and await _sasl_reply(address, _options(config)) in _SASL_REPLIES:
        found, needed = "requires a login", f"SASL_{protocol}"
    else:
        return None
    server = f"{address[0]}:{address[1]}"
    return f"Kafka at {server} {found}: set KAFKA_SECURITY_PROTOCOL to {needed}, or use another port."


async def _certificate_refusal(config: Config, address: Address) -> str | None:
    if not config.kafka.security_protocol.endswith("SSL"):
        return None
    return await tls.own_certificate_refusal(config, "KAFKA", *address)


async def _sasl_reply(address: Address, options: Mapping[str, Any]) -> type[KafkaError] | None:
    """Return Kafka's reply to the first request of a login; None if it does not reply."""
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            connection = await create_conn(*address, **options)
            try:
                answer = await connection.send(SaslHandShakeRequest("PLAIN"))
            finally:
                await connection.close()
    except (OSError, KafkaError, TimeoutError):
        return None
    reply: type[KafkaError] = for_code(answer.error_code)
    return reply
