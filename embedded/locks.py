"""Exclusive file locks between processes, held on open files.

The kernel releases a lock when the last descriptor of the open file is closed, so a lock ends with its
holders. A library such as filelock opens the file itself: the embedded servers could not inherit its
descriptor, with which they keep the lock of their folder after their owner was killed (see `embedded.claim`).
"""

import fcntl


def try_lock(descriptor: int) -> bool:
    """Lock the open file and return whether this succeeded; locking it again is harmless."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
