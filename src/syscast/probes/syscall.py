"""System calls: one event for entry and exit, arguments by name, on any machine alike.

Programs sit on the raw tracepoints ``sys_enter`` and ``sys_exit``, which every system call passes; a
guard lets only one number through, so the others pay about 20 ns. Nothing depends on how the
compiler laid out a function, or on tracefs. The registers stay what they were until the exit,
so a program there sees the arguments too (but not what memory held at the entry).

32-bit callers have numbers and registers of their own, so a second guard leaves them out. A thread is in
one system call at a time: entry and exit need no more than the thread to find each other. Three
calls have no exit of their own: ``exit``, ``exit_group`` and ``rt_sigreturn``. Where ``execve``
starts a 32-bit program, the exit is that of a 32-bit caller and no event comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Func, Ptr
from syscast.errors import TargetError
from syscast.ir.program import ArgFrom, ArgumentSource, Guard, ProgramContext
from syscast.link.tracing import RawTracepointLink, TracingLink
from syscast.probes import cnames, registers, syscall_table
from syscast.probes.kind import Target, refusal
from syscast.probes.parameters import WORD

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.registers import Registers
    from syscast.probes.syscall_table import SyscallArgument
    from syscast.spec.objectspec import ProgramSpec

_FUNCTION_PREFIX = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_"}
# The words of sys_enter(regs, id) and sys_exit(regs, ret).
_REGS = 0
_SECOND = 8


class SyscallKind:
    """The kind ``syscall``.

    Args:
        typed: Whether programs are loaded as ``tp_btf`` (else as plain raw tracepoints).
        machine: Whose registers; the running machine's by default.
    """

    def __init__(self, *, typed: bool = True, machine: Registers | None = None) -> None:
        self.name = "syscall"
        self._typed = typed
        self._machine = machine

    @property
    def registers(self) -> Registers:
        """The machine's conventions."""
        return self._machine or registers.here()

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a system call: ``openat``, or ``sys_openat``.

        Raises:
            TargetError: There is none of this name, or this kernel is built without it.
        """
        machine = self.registers
        found = syscall_table.find(name, machine.machine)
        btf_id = types.find(_FUNCTION_PREFIX[machine.machine] + found.function, Func)
        # BTF leaves some functions out: those without arguments, and more of them on old kernels.
        if btf_id is None and not _has_code(_FUNCTION_PREFIX[machine.machine] + found.function):
            raise TargetError(f"syscall '{found.name}': look up: this kernel is built without it")
        arguments = tuple(
            _argument(types, each, member)
            for each, member in zip(found.arguments, machine.syscall_arguments, strict=False)
        )
        returns = ArgumentSource(
            "return", cnames.find_type(types, "long"), _SECOND, signed=True, ctype="long"
        )
        return Target(
            kind=self.name,
            name=found.name,
            btf_id=btf_id or 0,
            signature=found.signature,
            arguments=arguments,
            returns=returns if found.returns else None,
            returns_at_all=found.returns,
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """The entry's context, or those of entry and exit.

        Raises:
            TargetError: ``call`` of a system call that never returns.
        """
        if role == "probe":
            return (self._context(target, at_return=False),)
        if not target.returns_at_all:
            raise TargetError(
                f"syscall '{target.name}': attach to entry and exit: it never returns (use a "
                "probe, which runs at its entry)"
            )
        return self._context(target, at_return=False), self._context(target, at_return=True)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        machine = self.registers
        found = syscall_table.find(target.name, machine.machine)
        point = "sys_exit" if at_return else "sys_enter"
        form = "tp_btf" if self._typed else "raw_tp"
        if at_return:
            number = ArgumentSource(
                "number", where=ArgFrom.REGS, offset=_REGS, member=machine.syscall_number,
                size=4, trusted=self._typed,
            )  # fmt: skip
        else:
            number = ArgumentSource("number", offset=_SECOND, size=4)
        member, mask, size = machine.compat
        caller = ArgumentSource("caller", where=ArgFrom.TASK, member=member, size=size)
        return ProgramContext(
            kind=self.name,
            target=target.name,
            section=f"{form}/{point}",
            program_type="tracing" if self._typed else "raw_tracepoint",
            attach_type="trace_raw_tp" if self._typed else "",
            arguments=target.arguments,
            returns=target.returns if at_return else None,
            direct_reads=self._typed,
            syscall=found.number,
            guards=(Guard(number, found.number), Guard(caller, 0, mask)),
        )

    def unavailable(self) -> str | None:
        """Why the tracepoints of system calls do not work here; None where they do."""
        return refusal("tp_btf" if self._typed else "raw_tracepoint")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to ``sys_enter`` or ``sys_exit``, as the program's section says."""
        spec = program.spec
        point = spec.section.rpartition("/")[2]
        if spec.type == "tracing":
            return TracingLink.attach(program.fd, f"tp_btf on {point}")
        return RawTracepointLink.attach(program.fd, point)


SYSCALL = SyscallKind()


def _has_code(function: str) -> bool:
    """Whether the kernel's symbols have a function; true where they cannot be read."""
    from syscast.symbols import kallsyms  # noqa: PLC0415  # reads all symbols

    try:
        return any(symbol.is_function for symbol in kallsyms.kernel().find(function))
    except OSError:
        return True


def _argument(types: Btf, found: SyscallArgument, member: str) -> ArgumentSource:
    """Where an argument is, and its BTF type as far as the kernel's BTF has one to point at."""
    pointee = cnames.find_pointee(types, found.ctype) if found.pointer else 0
    type_id = 0 if found.pointer else cnames.find_type(types, found.ctype)
    hidden = type_id and isinstance(types.type(types.resolve(type_id)), Ptr)  # cap_user_header_t
    size, signed = cnames.integer(types, type_id) or (WORD, False)
    return ArgumentSource(
        name=found.name,
        type_id=type_id,
        offset=_REGS,
        size=size,
        signed=signed,
        user=found.pointer or bool(hidden),
        where=ArgFrom.REGS,
        member=member,
        ctype=found.ctype,
        string=found.string,
        pointee=pointee,
    )
