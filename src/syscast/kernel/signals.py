"""Calls that no signal may interrupt.

The verifier gives up with EAGAIN when a signal is pending for the thread (``do_check`` in
kernel/bpf/verifier.c); a profiling timer can so keep a large program from ever being loaded.
Blocked signals stay pending and are delivered afterwards.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


def end_by(number: int) -> None:
    """End this process by a signal, as if no handler stood, from any thread.

    Python itself sets handlers in the main thread only, which may be inside a long call.
    """
    import ctypes  # noqa: PLC0415  (3 ms, once in a process' life)

    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal(number, None)  # SIG_DFL is 0
    os.kill(os.getpid(), number)


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
