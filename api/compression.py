"""Which coding of a body a client takes (RFC 9110, 12.5.3)."""

import re
from collections.abc import Iterable
from typing import Final

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_match_choice: Final = re.compile(
    r"\s*([!#$%&'*+.^_`|~\w-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", re.ASCII | re.IGNORECASE
).fullmatch


def takes_gzip(accept_encoding: Iterable[str]) -> bool:
    """Say whether gzip is to be sent, given the values of Accept-Encoding: it is named, and not liked less.

    A body as it is may always be sent: a client that forbids even that gets it all the same, as is allowed.
    """
    weights = _weights(",".join(accept_encoding))
    wildcard = weights.get("*", 0.0)
    gzip = max((weights[name] for name in _GZIP & weights.keys()), default=wildcard)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(accept_encoding: str) -> dict[str, float]:
    """Read the choices, leaving out what is none."""
    choices = filter(None, map(_match_choice, accept_encoding.split(",")))
    return {choice[1].lower(): float(choice[2] or 1) for choice in choices}
