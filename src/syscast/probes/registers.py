"""Where a call's arguments are in ``struct pt_regs``, per machine.

The offsets are kernel ABI: ``struct pt_regs`` in arch/x86/include/uapi/asm/ptrace.h, ``struct
user_pt_regs`` in arch/arm64/include/uapi/asm/ptrace.h, with which the kernel's own struct begins.
The order of arguments is that of the System V ABI for x86-64 and of AAPCS64.
"""

from __future__ import annotations

import os

from syscast.btf.record import Record
from syscast.errors import NotSupportedError


class Registers(Record):
    """The calling convention of one machine.

    Attributes:
        machine: As ``uname -m`` says.
        arguments: (name, offset in bytes in pt_regs) of the registers for integer arguments.
        returns: That of the return value.
        stack: That of the stack pointer.
        stack_arguments: Bytes from the stack pointer to the first argument on the stack, at the
            function's first instruction.
        return_bias: What the stack pointer has gained when the function has just returned.
        fills_gaps: Whether a small argument may take a register that a larger one before it did not
            fit into.
        large_by_pointer: Whether a struct of over 16 bytes is passed as a pointer to a copy
            (else it lies on the stack).
        syscall_arguments: Members of pt_regs with a syscall's arguments.
        syscall_number: The member with its number, at the exit.
        place: (name, offset) of the instruction pointer; at a kprobe it lies in the function's first
            bytes.
        compat: Member of task_struct and mask that tell a 32-bit caller; its size in bytes.
    """

    machine: str
    arguments: tuple[tuple[str, int], ...]
    returns: tuple[str, int]
    stack: tuple[str, int]
    stack_arguments: int
    return_bias: int
    fills_gaps: bool
    large_by_pointer: bool
    syscall_arguments: tuple[str, ...]
    syscall_number: str
    place: tuple[str, int]
    compat: tuple[str, int, int]


X86_64 = Registers(
    machine="x86_64",
    arguments=(("di", 112), ("si", 104), ("dx", 96), ("cx", 88), ("r8", 72), ("r9", 64)),
    returns=("ax", 80),
    stack=("sp", 152),
    stack_arguments=8,  # above the return address
    return_bias=8,
    fills_gaps=True,
    large_by_pointer=False,
    syscall_arguments=("di", "si", "dx", "r10", "r8", "r9"),
    syscall_number="orig_ax",
    place=("ip", 128),
    compat=("thread_info.status", 1 << 1, 4),  # TS_COMPAT
)
AARCH64 = Registers(
    machine="aarch64",
    arguments=tuple((f"regs[{n}]", 8 * n) for n in range(8)),
    returns=("regs[0]", 0),
    stack=("sp", 248),
    stack_arguments=0,
    return_bias=0,
    fills_gaps=False,
    large_by_pointer=True,
    syscall_arguments=("orig_x0", *(f"regs[{n}]" for n in range(1, 6))),
    syscall_number="syscallno",
    place=("pc", 256),
    compat=("thread_info.flags", 1 << 22, 8),  # TIF_32BIT
)
_MACHINES = {machine.machine: machine for machine in (X86_64, AARCH64)}


def here() -> Registers:
    """The running machine's.

    Raises:
        NotSupportedError: Neither x86_64 nor aarch64.
    """
    # The name of the machine's instruction set, not of a kernel version.
    name = os.uname().machine  # noqa: TID251
    return of(name)


def of(machine: str) -> Registers:
    """The registers of a machine by its name.

    Raises:
        NotSupportedError: Neither x86_64 nor aarch64.
    """
    found = _MACHINES.get(machine)
    if found is None:
        raise NotSupportedError(
            f"machine '{machine}': find arguments: its calling convention is not known "
            f"({' and '.join(_MACHINES)} are supported)"
        )
    return found
