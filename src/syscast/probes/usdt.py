"""usdt: places that the authors of programs and libraries marked with <sys/sdt.h>.

A probe may have several places, and its arguments may be in other registers at each. Places whose arguments are
in the same places share a program; the others get one each, with the same name. The kernel raises the probe's
semaphore while it is attached. For one process, ``usdt:PROVIDER:NAME`` is looked for in all that it has mapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.errors import TargetError
from syscast.ir.program import ArgFrom, ArgumentSource, Deref, ProgramContext
from syscast.probes import registers
from syscast.probes.kind import NOBODY, Target, Whom, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.registers import Registers
    from syscast.spec.objectspec import ProgramSpec
    from syscast.symbols.sdtoperands import Operand
    from syscast.symbols.stapsdt import Location, Probe

_X86_REGISTERS = (
    *("r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8"),
    *("ax", "cx", "dx", "si", "di", "orig_ax", "ip", "cs", "flags", "sp"),
)
"""The u64s of struct pt_regs, arch/x86/include/uapi/asm/ptrace.h."""
_NEAR = 3
_WORD = 8


class Usdt:
    """The kind ``usdt``.

    Args:
        whom: Whose files are meant, and whether only that process is.
        machine: The calling convention; this machine's by default.
    """

    name = "usdt"

    def __init__(self, *, whom: Whom = NOBODY, machine: Registers | None = None) -> None:
        self._whom = whom
        self._machine = machine

    def resolve(self, name: str, types: Btf) -> Target:  # noqa: ARG002  (a file has no BTF)
        """Find ``FILE:PROVIDER:NAME``, ``FILE:NAME``, or with a process ``PROVIDER:NAME``.

        Raises:
            TargetError: There is no such file, or no such probe in it, with near matches; or several files
                of the process have it.
        """
        return self._target(find(name, self._whom.pid), 0)

    def others(self, target: Target) -> list[Target]:
        """The same probe where its arguments are in other places."""
        probe = find(target.name, self._whom.pid)
        return [self._target(probe, number) for number in range(1, len(groups(probe)))]

    def _target(self, probe: Probe, number: int) -> Target:
        from syscast.symbols.processmaps import seen_inside  # noqa: PLC0415  (once a target is there)

        machine = self._machine or registers.here()
        operands, _ = groups(probe)[number]
        arguments = tuple(
            _source(f"arg{place}", operand, machine) for place, operand in enumerate(operands)
        )
        words = ", ".join(f"{each.ctype or '?'} {each.name}" for each in arguments)
        name = f"{seen_inside(probe.path)}:{probe.provider}:{probe.name}"
        return Target(
            kind=self.name,
            name=f"{name}#{number}" if number else name,
            signature=f"{probe.provider}:{probe.name}({words})",
            arguments=arguments,
            returns_at_all=False,
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context; raises TargetError for ``call``: a mark is no call."""
        if role == "call":
            raise TargetError(
                f"usdt '{target.name}': attach to entry and exit: a mark is a point, not a call"
            )
        return (
            ProgramContext(
                kind=self.name,
                target=target.name,
                section=f"usdt/{target.name}",
                program_type="kprobe",
                arguments=target.arguments,
                user=True,
            ),
        )

    def unavailable(self) -> str | None:
        """Why the kernel has no uprobes; None where they work."""
        return refusal("uprobe")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to the places that the program's section names.

        Raises:
            TargetError: The probe is not there, or its arguments are where the program does not look.
            KernelError: The kernel refused.
        """
        from syscast.link.uprobe import attach_uprobes  # noqa: PLC0415  (once all is compiled)

        text = program.spec.section.partition("/")[2]
        name, _, number = text.partition("#")
        probe = find(name, self._whom.pid)
        every = groups(probe)
        if int(number or "0") >= len(every):
            raise TargetError(
                f"usdt '{name}': attach: the file has changed since the program was compiled"
            )
        _, places = every[int(number or "0")]
        return attach_uprobes(
            program.fd,
            probe.path,
            [(each.offset, each.semaphore) for each in places],
            pid=self._whom.pid if self._whom.only else -1,
            text=f"usdt on {text}",
        )


def groups(probe: Probe) -> list[tuple[tuple[Operand, ...], list[Location]]]:
    """A probe's places by where their arguments are, in the order of their addresses."""
    found: dict[tuple[Operand, ...], list[Location]] = {}
    for each in probe.locations:
        found.setdefault(each.arguments, []).append(each)
    return list(found.items())


def find(name: str, pid: int = 0) -> Probe:
    """Find a probe.

    Args:
        name: ``FILE:PROVIDER:NAME``, ``FILE:NAME``, or with a process ``PROVIDER:NAME``.
        pid: The process.

    Raises:
        TargetError: As of `Usdt.resolve`.
    """
    from syscast.symbols import libraries, stapsdt  # noqa: PLC0415  (once a target is there)

    *before, wanted = name.partition("#")[0].split(":")
    if len(before) > 1 or "/" in before[0] or not pid:
        if len(before) == 1 and "/" not in before[0]:
            raise TargetError(
                f"usdt '{name}': look up: in which file? (usdt:FILE:{name}, or give a process)"
            )
        path = libraries.find(before[0], pid)
        provider = before[1] if len(before) > 1 else ""
        return _one(stapsdt.probes(path), provider, wanted, f"in {path}")
    return _one(stapsdt.of_process(pid), before[0], wanted, f"of process {pid}")


def _one(probes: Iterable[Probe], provider: str, name: str, where: str) -> Probe:
    known = list(probes)
    found = [each for each in known if each.name == name and provider in {"", each.provider}]
    if len(found) == 1:
        return found[0]
    said = f"{provider}:{name}" if provider else name
    if found:
        names = ", ".join(f"usdt:{each.path}:{each.provider}:{each.name}" for each in found)
        raise TargetError(f"usdt '{said}': look up {where}: several are (say which: {names})")
    from syscast.btf.near import nearest  # noqa: PLC0415  (only errors need it)

    near = nearest(said, {f"{each.provider}:{each.name}" for each in known}, _NEAR)
    raise TargetError(f"usdt '{said}': look up {where}: there is no such probe", near)


def _source(name: str, operand: Operand, machine: Registers) -> ArgumentSource:
    """Where a program finds an argument."""
    from syscast.symbols import sdtoperands  # noqa: PLC0415  (once there is one)

    source = ArgumentSource(
        name, size=operand.size, signed=operand.signed, ctype=operand.ctype, where=ArgFrom.NOWHERE
    )
    if operand.floating:
        return replace(source, size=_WORD, why="it is a floating-point number")
    if operand.kind == sdtoperands.CONSTANT:
        return replace(source, where=ArgFrom.CONSTANT, offset=operand.number)
    if operand.kind == sdtoperands.REGISTER:
        at = _place(operand.register, machine) + operand.byte
        return replace(source, where=ArgFrom.CTX, offset=at)
    if operand.kind == sdtoperands.MEMORY:
        deref = Deref(
            base=_place(operand.register, machine),
            distance=operand.number,
            index=_place(operand.indexed, machine),
            scale=operand.scale,
        )
        return replace(source, where=ArgFrom.MEMORY, deref=deref)
    return replace(source, size=_WORD, why=f"its place '{operand.text}' is not understood")


def _place(register: str, machine: Registers) -> int:
    """The byte of a register in the context; -1 for none."""
    from syscast.symbols import sdtoperands  # noqa: PLC0415  (as above)

    if register == sdtoperands.HERE:
        return machine.place[1]
    if register == machine.stack[0]:
        return machine.stack[1]
    if register.startswith("regs["):
        return _WORD * int(register[5:-1])
    return _WORD * _X86_REGISTERS.index(register) if register else -1
