"""Checks of what the settings expose to the network: encryption, limits, ports and proxies."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

from headcount.ops.doctor.finding import Judgement, ok, problem, warning
from headcount.wiring import Config

WIDEST_V4_PREFIX: Final = 8
WIDEST_V6_PREFIX: Final = 7
"""Of 10.0.0.0/8 and fc00::/7, the largest networks that are private."""
IPV4: Final = 4


def check_redis_transport(config: Config) -> Judgement:
    """Tell whether passwords and counters cross a network in the clear."""
    url = config.redis.url
    host = str(parse_url(url).get("host", "localhost"))
    if urlsplit(url).scheme == "redis" and not is_local(host):
        return warning(
            f"The way to Redis at {host} is not encrypted: its password and the tokens' digests can be "
            "read on it.",
            "Use rediss:// in REDIS_URL, with TLS in Redis, unless nobody else is on that network.",
        )
    return ok("The way to Redis is encrypted, or stays on this machine.")


def check_kafka_transport(config: Config) -> Judgement:
    """Tell whether events cross a network in the clear, and whether anyone may publish."""
    protocol = config.kafka.security_protocol
    hosts = [each.rpartition(":")[0].strip("[]") for each in config.kafka.bootstrap_servers.split(",")]
    if all(map(is_local, hosts)) or protocol.endswith("SSL"):
        return ok("The way to Kafka is encrypted, or stays on this machine.")
    return warning(
        f"The way to Kafka at {', '.join(hosts)} is not encrypted (KAFKA_SECURITY_PROTOCOL={protocol}).",
        "Use SASL_SSL, unless nobody else is on that network: who reaches a plain Kafka can also publish.",
    )


def check_api_transport(config: Config) -> Judgement:
    """Tell whether tokens may cross a network in the clear: the API itself speaks no TLS."""
    if is_local(config.http.host) or config.http.trusted_proxies:
        return ok("The API is reached from this machine, or through a proxy of yours.")
    return warning(
        f"The API listens on {config.http.host} without a proxy before it: tokens cross the network in "
        "the clear.",
        "Put a reverse proxy with TLS before it, and name it in TRUSTED_PROXIES.",
    )


def check_http_limits(config: Config) -> Judgement:
    """Look for limits that are turned off, or that bound nothing."""
    off = [
        name
        for name in ("http_requests_per_minute", "http_failed_logins_per_minute")
        if not getattr(config.http, name.removeprefix("http_"))
    ]
    if config.http.limits.connections_per_address >= config.http.limits.connections:
        off.append("http_max_connections_per_address")
    if off:
        return warning(
            f"These bound nothing: {', '.join(map(str.upper, off))}.",
            "Leave them at their defaults, or bound clients in your proxy: one client can take everything.",
        )
    return ok("Requests, failed logins and connections are bounded.")


def check_metrics(config: Config) -> Judgement:
    """Tell whether anyone may read the metrics: they ask for no token."""
    ports = [config.telemetry.worker_metrics_port, config.telemetry.api_metrics_port]
    if ports == [None, None]:
        return ok("Metrics are off.")
    if is_private(config.telemetry.metrics_host):
        return ok(f"Metrics are shown on {config.telemetry.metrics_host} only.")
    return warning(
        f"Metrics are shown on {config.telemetry.metrics_host}, to whoever reaches that port.",
        "Set METRICS_HOST to an address of a private network, or keep others out with a firewall.",
    )


def check_trusted_proxies(config: Config) -> Judgement:
    """Find networks so wide that strangers may claim any address in X-Forwarded-For."""
    narrowest = {IPV4: WIDEST_V4_PREFIX}
    wide = [
        str(network)
        for network in config.http.trusted_proxies
        if network.prefixlen < narrowest.get(network.version, WIDEST_V6_PREFIX)
    ]
    if wide:
        return problem(
            f"TRUSTED_PROXIES holds {', '.join(wide)}: anyone there may claim any address, and no bound "
            "applies to it.",
            "Name only the addresses of your proxies.",
        )
    return ok("Only networks that can be yours are believed as proxies.")


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(host: str) -> bool:
    """Tell whether a host's address is of no public network; the address of all networks is no such."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_unspecified
