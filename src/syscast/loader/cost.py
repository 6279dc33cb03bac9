"""What a program cost the verifier, instruction by instruction, from the log of a load.

At log level 2 the verifier writes a line for each instruction that it steps on, as often as it steps
on it, and at level 4 it sums up. Pure: tested on logs of several kernels.
"""

from __future__ import annotations

import re

import msgspec

LOG_LEVEL = 2 | 4
"""BPF_LOG_LEVEL2 | BPF_LOG_STATS of kernel/bpf/verifier.c: every step, and the sums."""

# An instruction, or a place where a state that was seen before ends the walk: both are counted.
_STEP = re.compile(
    r"^(?:from \d+ to )?(\d+)(?: \([^)]*\))?: (?:\([0-9a-f]{2}\) |safe$)", re.MULTILINE
)
_SUMS = re.compile(
    r"^processed (\d+) insns \(limit (\d+)\) max_states_per_insn \d+ total_states (\d+) "
    r"peak_states (\d+)",
    re.MULTILINE,
)
_STACK = re.compile(r"^stack depth ([\d+]+)", re.MULTILINE)


class Cost(msgspec.Struct, frozen=True):
    """What the verifier says of one program.

    Attributes:
        processed: Instructions that it stepped on, over all paths.
        limit: How many it allows.
        states: States that it kept to compare with.
        peak_states: As many at once.
        stack: Bytes of stack, of each function; empty where it does not say.
        visits: How often it stepped on an instruction, by its index; those it never reached are
            missing, and all are where the log was too long.
    """

    processed: int
    limit: int
    states: int
    peak_states: int
    stack: tuple[int, ...]
    visits: dict[int, int]

    @property
    def stack_depth(self) -> int:
        """Bytes of stack of the main function."""
        return self.stack[0] if self.stack else 0


def read_cost(log: str) -> Cost | None:
    """Read the log of a load; None if it has no sums."""
    sums = _SUMS.search(log)
    if sums is None:
        return None
    visits: dict[int, int] = {}
    for step in _STEP.finditer(log):
        at = int(step[1])
        visits[at] = visits.get(at, 0) + 1
    depth = _STACK.search(log)
    stack = tuple(int(each) for each in depth[1].split("+") if each) if depth else ()
    processed, limit, states, peak = (int(each) for each in sums.groups())
    return Cost(processed, limit, states, peak, stack, visits)
