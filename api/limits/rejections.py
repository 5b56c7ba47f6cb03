"""What the API has refused since it started, for whoever watches over it."""

from collections import Counter
from dataclasses import dataclass, field

from api.errors import LimitedBy, LoginFailure


@dataclass(slots=True)
class Rejections:
    """Counts of failed logins by what was wrong, answered 401 or 429, and of requests answered 429."""

    failed_logins: Counter[LoginFailure] = field(default_factory=Counter)
    rate_limited: Counter[LimitedBy] = field(default_factory=Counter)
