"""kprobe and kretprobe: a breakpoint, or an ftrace hook, at a function's entry or return.

A program sees the registers as ``struct pt_regs``: arguments by the calling convention at the
entry, the return value at the return, where the arguments are gone.

Where the kernel can, programs attach by kprobe.multi (fprobe): no breakpoint, no perf event, and an own
recursion guard. The compiled program is the same; ``prepare`` picks the attach type.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.btf.render import signature
from syscast.btf.types import Func
from syscast.ir.program import ArgFrom, ArgumentSource, ProgramContext
from syscast.probes import cnames, functions, registers
from syscast.probes.kind import Target, refusal
from syscast.probes.parameters import WORD, Parameter, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.types import FuncProto
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.registers import Registers
    from syscast.spec.objectspec import ProgramSpec

MULTI = "trace_kprobe_multi"
_IN_REGISTERS = 16  # bytes of a struct that still goes in registers, on both machines


class _Kprobe:
    """What kprobe and kretprobe share.

    Attributes:
        name: The kind's name, and the prefix of its sections.
        at_return: Whether a program runs at the return.
    """

    def __init__(self, name: str, *, at_return: bool, machine: Registers | None = None) -> None:
        self.name = name
        self.at_return = at_return
        self._machine = machine

    @property
    def registers(self) -> Registers:
        """The calling convention."""
        return self._machine or registers.here()

    def resolve(self, name: str, types: Btf) -> Target:
        """Find a function.

        One that BTF does not know, such as a copy that the compiler made (``do_it.isra.0``) or
        one in assembly, has its registers as arguments: ``arg0``, ``arg1`` and so on.

        Raises:
            TargetError: The kernel has no code of this name, or several.
        """
        if types.find(name, Func) is None and len(functions.copies_with_code(name)) == 1:
            return self._unknown(name, types)
        btf_id, proto = functions.find(name, types)
        return Target(
            kind=self.name,
            name=name,
            btf_id=btf_id,
            module=functions.owner(types, btf_id),
            signature=signature(types, btf_id),
            arguments=arguments(types, proto, self.registers),
            returns=_returned(types, proto, self.registers),
        )

    def _unknown(self, name: str, types: Btf) -> Target:
        machine = self.registers
        word = cnames.find_type(types, "unsigned long")

        def source(called: str, offset: int) -> ArgumentSource:
            return ArgumentSource(called, word, offset, ctype="unsigned long")

        return Target(
            kind=self.name,
            name=name,
            module=functions.copies_with_code(name)[0],
            signature=f"{name}(?)",
            arguments=tuple(
                source(f"arg{n}", offset) for n, (_, offset) in enumerate(machine.arguments)
            ),
            returns=source("return", machine.returns[1]),
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context, or the entry's (kprobe) and the exit's (kretprobe)."""
        if role == "call":
            return self._context(target, at_return=False), self._context(target, at_return=True)
        return (self._context(target, at_return=self.at_return),)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        form = "kretprobe" if at_return else "kprobe"
        return ProgramContext(
            kind=self.name,
            target=target.qualified,
            section=f"{form}/{target.qualified}",
            program_type="kprobe",
            arguments=() if at_return else target.arguments,
            returns=target.returns if at_return else None,
            frame=self.registers.stack[0],
            frame_bias=0 if at_return else self.registers.return_bias,
        )

    def unavailable(self) -> str | None:
        """Why the kernel has no kprobes; None where they work."""
        return refusal("kprobe_multi", "kprobe")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Choose between kprobe.multi and a perf event.

        A name with an offset, or with a module before it, is known to perf events only; and a
        function that BTF does not know may have no place for ftrace, which kprobe.multi needs.
        """
        plain = program.section.startswith(("kprobe/", "kretprobe/"))
        if not plain or program.attach_type or not program.target.isidentifier():
            return program
        from syscast import features  # noqa: PLC0415  # compiling for others needs none
        from syscast.btf import source  # noqa: PLC0415

        if not features.supported("kprobe_multi"):
            return program
        if source.kernel().find(program.target, Func) is None:
            return program
        return replace(program, attach_type=MULTI)

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the function that the program's spec names."""
        spec = program.spec
        on_return = spec.section.startswith("kretprobe")
        if spec.attach_type == MULTI:
            from syscast.link.kprobe_multi import KprobeMultiLink  # noqa: PLC0415  # one of two

            return KprobeMultiLink.attach(program.fd, symbols=(spec.target,), on_return=on_return)
        form = "kretprobe" if on_return else "kprobe"
        symbol, _, offset = spec.target.partition("+")
        from syscast.kernel import perf  # noqa: PLC0415  # one of two
        from syscast.link.perf_event import PerfEventLink  # noqa: PLC0415

        event = perf.open_kprobe(symbol, offset=int(offset or "0", 0), on_return=on_return)
        return PerfEventLink.attach(program.fd, event, f"{form} on {spec.target}")


KPROBE = _Kprobe("kprobe", at_return=False)
KRETPROBE = _Kprobe("kretprobe", at_return=True)


def arguments(types: Btf, proto: FuncProto, machine: Registers) -> tuple[ArgumentSource, ...]:
    """Where each argument of a function lies when the function is entered."""
    convention = _Convention(machine)
    return tuple(
        convention.place(parameter(types, param.type_id, param.name or f"arg{number}"))
        for number, param in enumerate(proto.params)
    )


class _Convention:
    """Deals out registers and stack words to arguments, in order."""

    def __init__(self, machine: Registers) -> None:
        self._machine = machine
        self._registers = list(machine.arguments)
        self._stacked = machine.stack_arguments

    def place(self, found: Parameter) -> ArgumentSource:
        """Say where the next argument is."""
        source = ArgumentSource(
            name=found.name,
            type_id=found.type_id,
            size=min(found.size, WORD),
            signed=found.signed,
            user=found.user,
            ctype=found.ctype,
            array=found.size if found.size > WORD or found.by_value else 0,
        )
        if found.size > _IN_REGISTERS:
            return self._large(source, found)
        if found.slots <= len(self._registers):
            taken, self._registers = (
                self._registers[: found.slots],
                self._registers[found.slots :],
            )
            return _in_registers(source, [offset for _, offset in taken])
        if not self._machine.fills_gaps:
            self._registers = []
        return self._on_stack(source, found)

    def _large(self, source: ArgumentSource, found: Parameter) -> ArgumentSource:
        """A struct that no registers hold: itself on the stack, or a pointer to a copy."""
        if not self._machine.large_by_pointer:
            return self._on_stack(source, found)
        pointer = parameter_of_pointer(found)
        return replace(self.place(pointer), type_id=0, pointee=found.type_id)

    def _on_stack(self, source: ArgumentSource, found: Parameter) -> ArgumentSource:
        offset = self._stacked
        self._stacked += WORD * found.slots
        return replace(source, where=ArgFrom.STACK, member=self._machine.stack[0], offset=offset)


def parameter_of_pointer(found: Parameter) -> Parameter:
    """The hidden pointer that is passed for a large struct."""
    return Parameter(found.name, found.type_id, found.ctype, WORD, struct_pointer=True)


def _in_registers(source: ArgumentSource, offsets: Sequence[int]) -> ArgumentSource:
    if not offsets:
        return replace(source, where=ArgFrom.NOWHERE, array=0, why="it has no bytes")
    if any(after - before != WORD for before, after in pairwise(offsets)):
        why = "a struct in two registers does not lie in one piece (fentry has it)"
        return replace(source, where=ArgFrom.NOWHERE, array=0, why=why)
    return replace(source, offset=offsets[0])


def _returned(types: Btf, proto: FuncProto, machine: Registers) -> ArgumentSource | None:
    if not types.resolve(proto.return_id):
        return None
    found = parameter(types, proto.return_id, "return")
    source = ArgumentSource(
        name="return",
        type_id=found.type_id,
        offset=machine.returns[1],
        size=min(found.size, WORD),
        signed=found.signed,
        ctype=found.ctype,
        array=found.size if found.by_value else 0,
    )
    if found.size > WORD:
        why = f"a return value of {found.size} bytes is not in one register"
        return replace(source, where=ArgFrom.NOWHERE, array=0, why=why)
    return source
