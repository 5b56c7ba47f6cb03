"""Locks between processes, on open files; the kernel lifts one when the last holder's file is closed."""

import fcntl


def try_lock(descriptor: int) -> bool:
    """Lock the open file if nobody else has; locking it twice is harmless."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
