"""Makes a finding small: takes pieces away as long as it stays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from differential_c.tree import Program


def shrink(program: Program, still: Callable[[Program], bool], seconds: float) -> Program:
    """The smallest program found in some time for which ``still`` holds."""
    until = time.monotonic() + seconds
    smaller = True
    while smaller and time.monotonic() < until:
        smaller = False
        for candidate in program.smaller():
            if time.monotonic() > until:
                break
            if len(candidate.text()) < len(program.text()) and still(candidate):
                program, smaller = candidate, True
                break
    return program
