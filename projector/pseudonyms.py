"""Pseudonyms: what Redis knows of a user, a keyed hash that nobody without the key can compute or undo."""

import hashlib
from collections.abc import Iterable
from typing import Final

KEY_MIN_CHARACTERS: Final = 32

_DIGEST_BYTES: Final = 8
_FINGERPRINT_BYTES: Final = 8
_FOR_USERS: Final = b"headcount user"
_FOR_FINGERPRINTS: Final = b"headcount key"


class Pseudonyms:
    """Hashes user ids with BLAKE2b under a secret key of at least `KEY_MIN_CHARACTERS`.

    A pseudonym is a number of 63 bits in decimal: the largest that Redis keeps as an integer. Among a million
    users of a workspace, two share one with a probability of 1 in 18 million. Workspaces have users of their
    own: the same id in another one has another pseudonym.
    """

    def __init__(self, key: str) -> None:
        if len(key) < KEY_MIN_CHARACTERS:
            raise ValueError(f"a key must have at least {KEY_MIN_CHARACTERS} characters")
        self._key = hashlib.blake2b(key.encode()).digest()

    @property
    def fingerprint(self) -> str:
        """Tells keys apart, and tells nothing of the key."""
        return self._hash(_FOR_FINGERPRINTS, _FINGERPRINT_BYTES).hexdigest()

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> set[str]:
        """Return the pseudonyms of a workspace's users."""
        workspace = self._hash(_FOR_USERS, _DIGEST_BYTES)
        workspace.update(f"{workspace_id}:".encode())  # no workspace id has a colon
        return {_pseudonym(workspace, user_id) for user_id in user_ids}

    def _hash(self, purpose: bytes, size: int) -> "hashlib.blake2b":
        return hashlib.blake2b(digest_size=size, key=self._key, person=purpose)


def _pseudonym(workspace: "hashlib.blake2b", user_id: str) -> str:
    user = workspace.copy()
    user.update(user_id.encode())
    return str(int.from_bytes(user.digest()) >> 1)
