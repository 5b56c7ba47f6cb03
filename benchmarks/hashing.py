"""The key that benchmarks hash user ids under; what they measure does not depend on it."""

from typing import Final

from pydantic import SecretStr

KEY: Final = SecretStr("a key for benchmarks, as long as it has to be")
