"""One program on many targets: functions by kprobes, system calls by their two raw tracepoints.

A program tells its targets apart by its first argument, which is called `syscast.ir.program.FUNCTION` and is a number:
that of a system call; of a function the number given at its attachment, or, on kernels without
such numbers, the instruction pointer, which at a kprobe lies in the function's first bytes
(x86: behind the breakpoint of one byte, and behind ENDBR where the kernel has it).
`Names` turns these numbers into names.

Targets whose arguments are asked for share a program where these arguments lie in the same places
and have the same types; the others get a program of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.btf.types import Func
from syscast.errors import NotSupportedError, SyscastError, UsageError
from syscast.ir.program import FUNCTION, ArgFrom, ArgumentSource, Guard, ProgramContext
from syscast.link.many import KprobeEachLinks, KprobeMultiLinks, Place, Refused, reason
from syscast.probes import registers, registry, syscall_table
from syscast.probes.kind import Target, refusal
from syscast.probes.kprobe import MULTI

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.matching import Found, Match
    from syscast.probes.registry import Choice
    from syscast.spec.objectspec import ProgramSpec

RETURN = "ret"
_MOST_CLASSES = 64
_FIRST_BYTES = 16
_NUMBERS = 1 << 20
"""Numbers from here on are addresses; below are those of functions."""
_SYSCALLS = 4096
"""More than any machine has system calls."""


class Names:
    """The numbers of targets and their names.

    Attributes:
        of_syscalls: System calls are among the targets.
    """

    def __init__(self) -> None:
        self.of_syscalls: bool = False
        self._by_name: dict[str, int] = {}
        self._by_number: dict[int, str] = {}
        self._starts: list[int] = []
        self._places: list[str] = []
        self._syscalls: dict[int, str] | None = None

    def number(self, name: str) -> int:
        """The number of a function or tracepoint, above those of system calls."""
        number = self._by_name.get(name)
        if number is None:
            number = self._by_name[name] = _SYSCALLS + len(self._by_name)
            self._by_number[number] = name
        return number

    def know(self, found: Iterable[Found]) -> None:
        """Remember where functions begin."""
        pairs = {each.address: each.name for each in found if each.address}
        pairs.update(zip(self._starts, self._places, strict=True))
        self._starts = sorted(pairs)
        self._places = [pairs[start] for start in self._starts]

    def labels(self) -> dict[int, str]:
        """What numbers mean: those given to functions and tracepoints, and those of system calls.

        Where programs get no number of ours, a function's address stands for it, and the one that a
        breakpoint of one byte leaves behind.
        """
        found = dict(self._by_number)
        if self.of_syscalls:
            self.name(0)  # reads their table
            found |= self._syscalls or {}
        if refusal("bpf_cookie") is not None:
            for start, name in zip(self._starts, self._places, strict=True):
                found[start] = found[start + 1] = name
        return found

    def name(self, number: int) -> str:
        """The name behind a number that a program saw."""
        if number >= _NUMBERS:
            at = bisect_right(self._starts, number) - 1
            if at >= 0 and number - self._starts[at] <= _FIRST_BYTES:
                return self._places[at]
            return f"0x{number:x}"
        if number >= _SYSCALLS:
            return self._by_number.get(number, f"function_{number}")
        if self._syscalls is None:
            machine = registers.here().machine
            self._syscalls = {each.number: each.name for each in syscall_table.every(machine)}
        return self._syscalls.get(number, f"syscall_{number}")


class ManyKind:
    """What kinds for many targets share: they are not looked up by a name."""

    name = ""

    def resolve(self, name: str, types: Btf) -> Target:
        """Not by name."""
        raise UsageError(f"{self.name} '{name}': look up in {types.name}: it means many targets")

    def obstacle(self, _target: Target, *, role: Role) -> str | None:  # noqa: ARG002
        """Nothing that would be known before trying."""
        return None


class ManyFunctions(ManyKind):
    """Kprobes in many functions.

    Args:
        places: The functions and their numbers.
        label: What the user called them.
    """

    name = "kprobe"

    def __init__(self, places: Sequence[Place], label: str) -> None:
        self._places = places
        self._label = label

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """The entry's context, or the entry's and the exit's."""
        entry = self._context(target, at_return=False)
        return (entry, self._context(target, at_return=True)) if role == "call" else (entry,)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        machine = registers.here()
        form = "kretprobe" if at_return else "kprobe"
        return ProgramContext(
            kind=self.name,
            target=target.name,
            section=f"{form}/{target.name}",
            program_type="kprobe",
            arguments=() if at_return else target.arguments,
            returns=target.returns if at_return else None,
            frame=machine.stack[0],
            frame_bias=0 if at_return else machine.return_bias,
            numbered=True,
        )

    def unavailable(self) -> str | None:
        """Why the kernel has no kprobes; None where they work."""
        why = refusal("kprobe_multi", "kprobe")
        # Which function was asked for to find it out says nothing to those who named others.
        return None if why is None else reason(why)

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Choose between one kprobe.multi link and many perf events."""
        from syscast import features  # noqa: PLC0415  # compiling for others needs none

        if not features.supported("kprobe_multi"):
            return program
        return replace(program, attach_type=MULTI)

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to all of the functions that the kernel takes."""
        on_return = program.spec.section.startswith("kretprobe")
        form = KprobeMultiLinks if program.spec.attach_type == MULTI else KprobeEachLinks
        return form.attach(program.fd, self._places, on_return=on_return, label=self._label)


class ManySyscalls(ManyKind):
    """The two raw tracepoints of system calls, for a set of their numbers.

    Args:
        numbers: Which pass; None for all.
        never: Which do not, where all others do.
    """

    name = "syscall"

    def __init__(self, numbers: tuple[int, ...] | None, never: tuple[int, ...] = ()) -> None:
        self._numbers = numbers
        self._never = never
        self._typed = refusal("tp_btf") is None

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """The entry's context, or the entry's and the exit's."""
        entry = self._context(target, at_return=False)
        return (entry, self._context(target, at_return=True)) if role == "call" else (entry,)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        machine = registers.here()
        point = "sys_exit" if at_return else "sys_enter"
        form = "tp_btf" if self._typed else "raw_tp"
        member, mask, size = machine.compat
        caller = ArgumentSource("caller", where=ArgFrom.TASK, member=member, size=size)
        guards = [Guard(caller, 0, mask)]
        # An exit without a kept entry does nothing, so only entries look at the number.
        if not at_return and (self._numbers is not None or self._never):
            number = target.arguments[0]
            chosen = self._never if self._numbers is None else self._numbers
            guards.insert(
                0, Guard(number, 0, others=tuple(sorted(chosen)), absent=self._numbers is None)
            )
        return ProgramContext(
            kind=self.name,
            target=target.name,
            section=f"{form}/{point}",
            program_type="tracing" if self._typed else "raw_tracepoint",
            attach_type="trace_raw_tp" if self._typed else "",
            arguments=target.arguments,
            returns=target.returns if at_return else None,
            direct_reads=self._typed,
            guards=tuple(guards),
        )

    def unavailable(self) -> str | None:
        """Why the tracepoints of system calls do not work here; None where they do."""
        return refusal("tp_btf" if self._typed else "raw_tracepoint")

    def prepare(self, program: ProgramSpec) -> ProgramSpec:
        """Nothing is left to choose."""
        return program

    def attach(self, program: LoadedProgram) -> Link:
        """Attach to ``sys_enter`` or ``sys_exit``."""
        return registry.get("syscall").attach(program)


# ---------------------------------------------------------------- from a match to programs


def choices(
    match: Match, used: frozenset[str], role: Role, known: Names, *, words: bool = False
) -> tuple[list[Choice], list[Refused]]:
    """How to attach to everything that a pattern means, with as few programs as possible.

    Args:
        match: Functions or system calls.
        used: Names of arguments that the program reads, and perhaps `RETURN`.
        role: ``probe`` or ``call``.
        known: Gets the targets' numbers.
        words: The program reads the registers of all arguments, as ``arg0``, ``arg1`` and so on,
            whatever each target makes of them.

    Returns:
        The choices, and what has to be left out.

    Raises:
        NotSupportedError: This machine has no way.
        UsageError: The functions differ too much in the arguments asked for.
        TargetError: None has the arguments asked for.
    """
    if match.sort == "syscall":
        return _of_syscalls(match, used, role, words=words)
    return _of_functions(match, used, role, known, words=words)


def _words(sources: Iterable[ArgumentSource]) -> tuple[ArgumentSource, ...]:
    """Registers as they are: shown in hex, since nobody knows more."""
    return tuple(replace(each, name=f"arg{at}", ctype="void *") for at, each in enumerate(sources))


def _of_functions(
    match: Match, used: frozenset[str], role: Role, known: Names, *, words: bool
) -> tuple[list[Choice], list[Refused]]:
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    known.know(match.found)
    machine = registers.here()
    ip = machine.place
    number = ArgumentSource(FUNCTION, where=ArgFrom.COOKIE, member=ip[0], offset=ip[1])
    classes, skipped = _classes(match, used, role)
    if words:
        plain = _words(ArgumentSource("", offset=at) for _, at in machine.arguments)
        classes = [(plain, None, list(match.found))]
    made = []
    for arguments, returns, found in classes:
        places = [Place(each.name, each.address, known.number(each.name)) for each in found]
        kind = ManyFunctions(places, match.text)
        target = Target("kprobe", match.text, arguments=(number, *arguments), returns=returns)
        made.append(_choice(kind, target, role, source.kernel()))
    return made, skipped


def _of_syscalls(
    match: Match, used: frozenset[str], role: Role, *, words: bool
) -> tuple[list[Choice], list[Refused]]:
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    machine = registers.here().machine
    table = {each.name: each for each in syscall_table.every(machine)}
    skipped: list[Refused] = []
    found = list(match.found)
    if role == "call":
        skipped = [
            Refused(each.name, "it never returns")
            for each in found
            if not table[each.name].returns
        ]
        found = [each for each in found if table[each.name].returns]
    number = ArgumentSource(FUNCTION, offset=8, size=4)
    returns = registry.get("syscall").resolve("read", source.kernel()).returns
    never = tuple(each.number for each in table.values() if not each.returns)
    everything = len(match.found) == len(table) and not used - {RETURN}
    if everything:
        # Also those that the table does not know yet.
        classes: list[_Class] = [((), returns, found)]
    else:
        classes, more = _classes(replace_found(match, found), used, role)
        skipped += more
    if words:
        plain = _words(
            ArgumentSource("", where=ArgFrom.REGS, member=each, user=True)
            for each in registers.here().syscall_arguments
        )
        classes = [(plain, returns, members) for _, _, members in classes]
    made = []
    for arguments, _, members in classes:
        if everything:
            kind = ManySyscalls(None, never if role == "call" else ())
        else:
            kind = ManySyscalls(tuple(table[each.name].number for each in members))
        target = Target("syscall", match.text, arguments=(number, *arguments), returns=returns)
        made.append(_choice(kind, target, role, source.kernel()))
    return made, skipped


def has_text(match: Match, used: frozenset[str]) -> bool:
    """Whether an argument in use is a string, of one of several system calls."""
    table = {each.name: each for each in syscall_table.every(registers.here().machine)}
    return any(
        argument.string and argument.name in used
        for found in match.found
        for argument in table[found.name].arguments
    )


def replace_found(match: Match, found: Sequence[Found]) -> Match:
    """The same match with other targets."""
    return type(match)(match.text, match.sort, match.kind, tuple(found), match.skipped)


def _choice(kind: ManyFunctions | ManySyscalls, target: Target, role: Role, types: Btf) -> Choice:
    why = kind.unavailable()
    if why is not None:
        raise NotSupportedError(f"{kind.name} '{target.name}': attach: {why}")
    return registry.Choice(kind, target, role, "one program for many", (), types)


_Class = tuple[tuple[ArgumentSource, ...], ArgumentSource | None, "list[Found]"]


def _classes(match: Match, used: frozenset[str], role: Role) -> tuple[list[_Class], list[Refused]]:
    """Targets whose arguments in use lie in the same places."""
    if not used:
        return [((), None, list(match.found))], []
    classes: dict[tuple[tuple[ArgumentSource, ...], ArgumentSource | None], list[Found]] = {}
    skipped: list[Refused] = []
    for each in match.found:
        try:
            key = _used_by(match, each, used, role)
        except SyscastError as error:
            skipped.append(Refused(each.name, reason(str(error))))
            continue
        if isinstance(key, str):
            skipped.append(Refused(each.name, key))
        else:
            classes.setdefault(key, []).append(each)
    if len(classes) > _MOST_CLASSES:
        raise UsageError(
            f"pattern '{match.text}': attach: its functions have {', '.join(sorted(used))} in "
            f"{len(classes)} different forms, and {_MOST_CLASSES} are the most (say more of the name)"
        )
    return [(*key, found) for key, found in classes.items()], skipped


def _used_by(
    match: Match, found: Found, used: frozenset[str], role: Role
) -> tuple[tuple[ArgumentSource, ...], ArgumentSource | None] | str:
    """The places of the arguments in use; or why a target does not have them."""
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    types = source.kernel()
    if match.sort == "function":
        if found.module or types.find(found.name, Func) is None:
            return "its arguments are not in the kernel's BTF"
        target = registry.get("kprobe").resolve(found.name, types)
    else:
        target = registry.get("syscall").resolve(found.name, types)
    by_name = {each.name: each for each in target.arguments}
    for name in sorted(used):
        if name not in by_name and not (name == RETURN and role == "call"):
            return f"it has no argument '{name}'"
    if RETURN in used and RETURN not in by_name and target.returns is None:
        return "it returns nothing"
    arguments = tuple(by_name[name] for name in sorted(used) if name in by_name)
    return arguments, target.returns if RETURN in used else None
