"""``timeout=`` of whatever reads: seconds, or a mistake that is told at once."""

from __future__ import annotations

import time

from syscast.errors import UsageError


def deadline_of(timeout: float | None) -> float | None:
    """The monotonic time so many seconds from now; None for never.

    Raises:
        UsageError: The time is no number.
    """
    if timeout is None:
        return None
    if not hasattr(timeout, "__float__"):  # whatever numpy and others have for numbers is one
        raise UsageError(f"timeout {timeout!r}: read: it is no number of seconds")
    return time.monotonic() + float(timeout)
