"""Calls that no signal may interrupt.

The verifier gives up with EAGAIN when a signal is pending for the thread (``do_check`` in
kernel/bpf/verifier.c); a profiling timer can so keep a large program from ever being loaded.
Blocked signals stay pending and are delivered afterwards.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Blocked:
    """``with Blocked():`` no signal but SIGKILL and SIGSTOP reaches this thread."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
