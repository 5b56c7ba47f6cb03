"""TLS contexts of the clients of Kafka and Redis, and explanations of failed handshakes."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from headcount.wiring import Config, TlsConfig
from ingest.errors import OperatorError

Kind = Literal["KAFKA", "REDIS"]
E = TypeVar("E", bound=BaseException)

PROBE_SECONDS: Final = 2.0
_WRONG_NAME: Final = frozenset({62, 64})
_WRONG_TIME: Final = frozenset({9, 10})


def context(config: Config, kind: Kind) -> ssl.SSLContext:
    """Return the TLS context of a client; raises `OperatorError` for files that can't be used."""
    authorities = _location(config, kind, "ca")
    try:
        built = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise OperatorError(
            f"{kind}_SSL_CA_LOCATION {authorities!r} can't be used: {_cause(error)}. "
            "It must contain certificates in PEM format."
        ) from error
    if certificate := _location(config, kind, "certificate"):
        _load_certificate(built, config, kind, certificate)
    return built


def redis_options(config: Config) -> dict[str, Any]:
    """Return redis-py's options; raises as `context` does."""
    context(config, "REDIS")  # redis-py builds its own context at each connection, and would fail only there
    return {
        "ssl_ca_certs": _location(config, "REDIS", "ca"),
        "ssl_certfile": _location(config, "REDIS", "certificate"),
        "ssl_keyfile": _location(config, "REDIS", "key"),
        "ssl_password": "",  # without it, OpenSSL prompts at the terminal
    }


def certificate_refusal(error: BaseException, kind: Kind) -> str | None:
    """Return a sentence on the server's certificate if the error is about it, else None."""
    found = _cause_of(error, ssl.SSLCertVerificationError)
    if found is None:
        return None
    if found.verify_code in _WRONG_NAME:
        setting = "KAFKA_BOOTSTRAP_SERVERS" if kind == "KAFKA" else "REDIS_URL"
        advice = f"Use a name from the certificate in {setting}, or issue a certificate for this name."
    elif found.verify_code in _WRONG_TIME:
        advice = "Renew it, or correct this machine's clock."
    else:
        advice = f"Set {kind}_SSL_CA_LOCATION to the certificate of the authority that issued it."
    verdict = found.verify_message.rstrip(".")
    return f"{kind.capitalize()} presents a certificate that is not accepted: {verdict}. {advice}"


async def own_certificate_refusal(config: Config, kind: Kind, host: str, port: int) -> str | None:
    """Connect, and return a sentence if the server closes the connection before the first request.

    With TLS 1.3 a server refuses the client's certificate after the handshake; the alert is lost if the
    client has already sent a request.
    """
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=context(config, kind))
    except (OSError, TimeoutError):
        return None
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await reader.read(1)
    except TimeoutError:
        return None  # it waits for a request
    except OSError:
        pass
    finally:
        await _close(writer)
    return (
        f"{kind.capitalize()} does not accept the client certificate, or requires one. "
        f"Set {kind}_SSL_CERTIFICATE_LOCATION and {kind}_SSL_KEY_LOCATION to a certificate that it trusts."
    )


async def speaks_tls(host: str, port: int) -> bool:
    """Return whether the server answers a TLS handshake; nothing is sent, and no certificate is checked."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _reader, writer = await asyncio.open_connection(host, port, ssl=unverified)
    except (OSError, TimeoutError):
        return False
    await _close(writer)
    return True


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _load_certificate(built: ssl.SSLContext, config: Config, kind: Kind, certificate: str) -> None:
    try:
        # Never None: OpenSSL would prompt for it at the terminal.
        secret = _files(config, kind).key_password or ""
        built.load_cert_chain(certificate, _location(config, kind, "key"), secret)
    except OSError as error:
        encrypted = (
            ", and KAFKA_SSL_KEY_PASSWORD if the key is encrypted" if kind == "KAFKA" else ", unencrypted"
        )
        raise OperatorError(
            f"{kind}_SSL_CERTIFICATE_LOCATION and {kind}_SSL_KEY_LOCATION can't be used: {_cause(error)}. "
            f"They must contain a certificate and its private key in PEM format{encrypted}."
        ) from error


def _location(config: Config, kind: Kind, name: str) -> str | None:
    location: Path | None = getattr(_files(config, kind), name)
    return str(location) if location else None


def _files(config: Config, kind: Kind) -> TlsConfig:
    return config.kafka.tls if kind == "KAFKA" else config.redis.tls


def _cause(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return reason.replace("_", " ").lower() if reason else "not in PEM format"


def _cause_of(error: BaseException | None, kind: type[E]) -> E | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
