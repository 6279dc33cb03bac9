"""Which clock records are stamped with here."""

from __future__ import annotations

import time

from syscast.features import probing


def record_clock() -> int:
    """CLOCK_BOOTTIME, or CLOCK_MONOTONIC on kernels without ``bpf_ktime_get_boot_ns``.

    The pass `surroundings` lets each program choose in the same way.
    """
    has_boot = probing.supported("helper_ktime_get_boot_ns")
    return time.CLOCK_BOOTTIME if has_boot else time.CLOCK_MONOTONIC
