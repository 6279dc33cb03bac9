"""The trivial programs that probes load, and the harmless places they attach to.

Every program returns 0 at once, and is attached to something that only BPF_PROG_TEST_RUN ever
runs, where the kernel has such a thing: probing must not touch other people's processes.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from syscast import asm
from syscast.asm import build
from syscast.asm.opcodes import R0
from syscast.errors import NotSupportedError
from syscast.kernel import bpfprogs
from syscast.kernel.bpfprogs import ProgAttr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.asm import Instruction
    from syscast.kernel.descriptors import Fd

FUNCTION = "bpf_fentry_test1"
"""A function of net/bpf/test_run.c that exists only to be traced."""

TRACEPOINTS = ("bpf_test_finish", "oom_score_adj_update", "sched_process_hang")
"""Rarely fired; the first only by BPF_PROG_TEST_RUN."""

RETURN_ZERO = (build.mov_imm(R0, 0), build.exit_())


def load(
    prog_type: int,
    code: Sequence[Instruction] = RETURN_ZERO,
    *,
    attach_type: int = 0,
    btf_id: int = 0,
    flags: int = 0,
) -> Fd:
    """Load a program; raises KernelError."""
    attr = ProgAttr(
        prog_type,
        asm.encode(code),
        name="probe",
        expected_attach_type=attach_type,
        attach_btf_id=btf_id,
        flags=flags,
    )
    return bpfprogs.prog_load(attr)


def function_id(*names: str) -> int:
    """Type id of the first of these functions that the kernel's BTF has.

    Raises:
        NotSupportedError: The kernel has no BTF, or none of the functions.
    """
    from syscast.btf import source, types  # noqa: PLC0415  # most probes do without BTF

    kernel = source.kernel()
    for name in names:
        found = kernel.find(name, types.Func)
        if found is not None:
            return found
    raise _missing("function", names)


def tracepoint_id(*names: str) -> int:
    """Type id of the first of these tracepoints' typedefs; raises as ``function_id``."""
    from syscast.btf import source, types  # noqa: PLC0415  # most probes do without BTF

    kernel = source.kernel()
    for name in names:
        found = kernel.find(f"btf_trace_{name}", types.Typedef)
        if found is not None:
            return found
    raise _missing("tracepoint", names)


def _missing(what: str, names: tuple[str, ...]) -> NotSupportedError:
    text = f"{what} '{names[0]}': find in the kernel's BTF: there is no such {what}"
    return NotSupportedError(text, errno.ENOENT, "BTF")
