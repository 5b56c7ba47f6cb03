"""Pseudonyms: what Redis knows of a user, a keyed hash that nobody without the key can compute or undo."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

KEY_MIN_CHARACTERS: Final = 32

REMEMBERED: Final = 100_000
"""Pseudonyms that are kept: some 25 MB of them."""

_WORKSPACE_ROOM: Final = 4
"""What a workspace takes, in pseudonyms."""
_DIGEST_BYTES: Final = 8
_FINGERPRINT_BYTES: Final = 8
_FOR_USERS: Final = b"headcount user"
_FOR_FINGERPRINTS: Final = b"headcount key"


class Pseudonyms:
    """Hashes user ids with BLAKE2b under a secret key of at least `KEY_MIN_CHARACTERS`.

    A pseudonym is a number of 63 bits in decimal: the largest that Redis keeps as an integer. Among a million
    users of a workspace, two share one with a probability of 1 in 18 million. Workspaces have users of their
    own: the same id in another one has another pseudonym.

    Up to about `remembered` of them are kept for the next time, which takes a tenth of hashing.
    """

    def __init__(self, key: str, *, remembered: int = REMEMBERED) -> None:
        if len(key) < KEY_MIN_CHARACTERS:
            raise ValueError(f"a key must have at least {KEY_MIN_CHARACTERS} characters")
        self._key = hashlib.blake2b(key.encode()).digest()
        self._workspaces: dict[str, _Workspace] = {}
        self._room = self._remembered = remembered

    @property
    def fingerprint(self) -> str:
        """Tells keys apart, and tells nothing of the key."""
        return self._hash(_FOR_FINGERPRINTS, _FINGERPRINT_BYTES).hexdigest()

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> list[str]:
        """Return the pseudonyms of a workspace's users, in their order."""
        known = self._workspaces.get(workspace_id)
        if known is None:
            known = self._workspaces[workspace_id] = self._workspace(workspace_id)
        return list(map(known.__getitem__, user_ids))

    def _workspace(self, workspace_id: str) -> "_Workspace":
        hashing = self._hash(_FOR_USERS, _DIGEST_BYTES)
        hashing.update(f"{workspace_id}:".encode())  # no workspace id has a colon
        self._take_room(_WORKSPACE_ROOM)
        return _Workspace(hashing, self._take_room)

    def _take_room(self, size: int = 1) -> None:
        self._room -= size
        if self._room < 0:
            self._workspaces.clear()  # all at once: to know which were used last would cost every look
            self._room = self._remembered

    def _hash(self, purpose: bytes, size: int) -> "hashlib.blake2b":
        return hashlib.blake2b(digest_size=size, key=self._key, person=purpose)


class _Workspace(dict[str, str]):
    """The pseudonyms of a workspace's users by their ids; who is missing is hashed."""

    def __init__(self, hashing: "hashlib.blake2b", take_room: Callable[[], None]) -> None:
        self._hashing = hashing
        self._take_room = take_room

    def __missing__(self, user_id: str) -> str:
        self._take_room()
        user = self._hashing.copy()
        user.update(user_id.encode())
        pseudonym = self[user_id] = str(int.from_bytes(user.digest()) >> 1)
        return pseudonym
