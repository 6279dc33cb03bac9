"""The kernel's clocks: reading two at once, and being told when the wall clock was set."""

from __future__ import annotations

import os
import struct
import time

from syscast.kernel.descriptors import Fd
from syscast.kernel.syscalls import address, syscall

_NONBLOCK = os.O_NONBLOCK  # TFD_NONBLOCK and TFD_CLOEXEC are open(2)'s flags
_ABSTIME = 1  # TFD_TIMER_ABSTIME
_CANCEL_ON_SET = 2  # TFD_TIMER_CANCEL_ON_SET
_NEVER_S = 1 << 33  # in the year 2242


def read_clocks(clock: int = time.CLOCK_BOOTTIME) -> tuple[int, int, int]:
    """Read the wall clock, another clock and the wall clock again, in ns.

    Args:
        clock: CLOCK_BOOTTIME for ``bpf_ktime_get_boot_ns``, CLOCK_MONOTONIC for
            ``bpf_ktime_get_ns``.
    """
    return time.time_ns(), time.clock_gettime_ns(clock), time.time_ns()


class ClockWatch:
    """A timer that never comes, cancelled whenever the wall clock is set (timerfd_create(2)).

    Resuming from suspend counts as setting it.
    """

    def __init__(self) -> None:
        """Make it.

        Raises:
            OSError: The kernel refuses.
        """
        flags = _NONBLOCK | os.O_CLOEXEC
        self.fd: Fd = Fd(_checked(syscall("timerfd_create", time.CLOCK_REALTIME, flags)), "timer")
        # struct itimerspec: interval, then the time itself, each in seconds and ns.
        when = struct.pack("<qqqq", 0, 0, _NEVER_S, 0)
        flags = _ABSTIME | _CANCEL_ON_SET
        try:
            _checked(syscall("timerfd_settime", self.fd.fileno(), flags, address(when), 0))
        except OSError:
            self.fd.close()
            raise

    def was_set(self) -> bool:
        """Whether the clock was set since this was last asked."""
        try:
            os.read(self.fd.fileno(), 8)
        except BlockingIOError:
            return False
        except OSError:  # ECANCELED: that is how it tells
            return True
        return True

    def close(self) -> None:
        """Stop watching."""
        self.fd.close()


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
