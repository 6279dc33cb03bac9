"""uprobe and uretprobe: a breakpoint in the code of a program or library, or at a call's return.

A target is a file and a place in it: a function's name, perhaps with ``+OFFSET``, or an address as in the file's
own symbol table. Nothing tells a function's arguments, so a program sees the registers that hold the first ones
by the calling convention, as numbers; annotations say what they are (``count: u32``, ``line: str``).

The object that is compiled names the function; where it lies in the file is looked up when attaching. So the
same object serves other versions of the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from syscast.errors import NotSupportedError, TargetError
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.probes import registers
from syscast.probes.kind import NOBODY, Target, Whom, refusal

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.link.protocol import Link
    from syscast.probes.kind import LoadedProgram, Role
    from syscast.probes.registers import Registers
    from syscast.spec.objectspec import ProgramSpec
    from syscast.symbols.binary import Binary
    from syscast.symbols.table import Code

_PLACE = re.compile(r"(?P<name>.+?)(?:\+(?P<offset>0x[0-9a-fA-F]+|\d+))?")
_NEAR = 3
_WORD = "unsigned long"


class Place(NamedTuple):
    """A place in a file.

    Attributes:
        path: As this process opens it.
        name: ``readline``, ``readline+4`` or ``0x1234``.
        offset: Byte in the file.
    """

    path: str
    name: str
    offset: int


class Uprobe:
    """The kinds ``uprobe`` and ``uretprobe``.

    Args:
        at_return: Whether a program runs at the return.
        whom: Whose files are meant, and whether only that process is.
        machine: The calling convention; this machine's by default.
    """

    def __init__(
        self, *, at_return: bool = False, whom: Whom = NOBODY, machine: Registers | None = None
    ) -> None:
        self.name = "uretprobe" if at_return else "uprobe"
        self._at_return = at_return
        self._whom = whom
        self._machine = machine

    @property
    def registers(self) -> Registers:
        """The calling convention."""
        return self._machine or registers.here()

    def resolve(self, name: str, types: Btf) -> Target:  # noqa: ARG002  (a file has no BTF)
        """Find ``FILE:FUNCTION``, ``FILE:FUNCTION+OFFSET`` or ``FILE:0xADDRESS``.

        Raises:
            TargetError: There is no such file, or nothing of this name in it, with near matches.
        """
        from syscast.symbols import processmaps  # noqa: PLC0415  (once a target is there)

        place = find(name, self._whom.pid)
        return replace(
            self.words(place.name), name=f"{processmaps.seen_inside(place.path)}:{place.name}"
        )

    def words(self, name: str = "") -> Target:
        """A target of which nothing is known but the registers."""
        machine = self.registers
        arguments = tuple(
            _word(f"arg{number}", offset) for number, (_, offset) in enumerate(machine.arguments)
        )
        return Target(
            kind=self.name,
            name=name,
            signature=f"{name}({', '.join(each.name for each in arguments)}, ...)",
            arguments=arguments,
            returns=_word("return", machine.returns[1], signed=True),
        )

    def contexts(self, target: Target, *, role: Role) -> tuple[ProgramContext, ...]:
        """One context, or the entry's (uprobe) and the exit's (uretprobe).

        Raises:
            TargetError: A place inside a function has no return.
        """
        if (role == "call" or self._at_return) and "+" in target.name.rpartition(":")[2]:
            raise TargetError(
                f"uretprobe '{target.name}': attach: a place inside a function has no return of its own"
            )
        if role == "call":
            return self._context(target, at_return=False), self._context(target, at_return=True)
        return (self._context(target, at_return=self._at_return),)

    def _context(self, target: Target, *, at_return: bool) -> ProgramContext:
        machine = self.registers
        return ProgramContext(
            kind=self.name,
            target=target.name,
            section=f"{'uretprobe' if at_return else 'uprobe'}/{target.name}",
            program_type="kprobe",
            arguments=() if at_return else target.arguments,
            returns=target.returns if at_return else None,
            frame=machine.stack[0],
            frame_bias=0 if at_return else machine.return_bias,
            user=True,
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
        """Attach to the place that the program's section names.

        Raises:
            TargetError: The file, or the function in it, is not there.
            KernelError: The kernel refused.
        """
        from syscast.link.uprobe import attach_uprobe  # noqa: PLC0415  (once all is compiled)

        form, _, name = program.spec.section.partition("/")
        place = find(name, self._whom.pid)
        return attach_uprobe(
            program.fd,
            place.path,
            place.offset,
            pid=self._whom.pid if self._whom.only else -1,
            on_return=form.startswith("uretprobe"),
            text=f"{form} on {name}",
        )


def _word(name: str, offset: int, *, signed: bool = False) -> ArgumentSource:
    return ArgumentSource(name, offset=offset, signed=signed, ctype="long" if signed else _WORD)


def find(name: str, pid: int = 0) -> Place:
    """Find a place in a file.

    Args:
        name: ``FILE:FUNCTION``, ``FILE:FUNCTION+OFFSET`` or ``FILE:0xADDRESS``.
        pid: A process that has the file, perhaps in a mount namespace of its own.

    Raises:
        TargetError: There is no such file, or nothing of this name in it.
    """
    from syscast.symbols import binary, libraries  # noqa: PLC0415  (once a target is there)

    file, _, wanted = name.partition(":")
    path = libraries.find(file, pid)
    code = binary.read(path)
    address = _address(code, wanted, f"function '{wanted}' of {path}")
    offset = code.file_offset(address)
    if offset is None:
        raise TargetError(
            f"place '{name}': look up: the file has no byte at address 0x{address:x}"
        )
    return Place(path, wanted, offset)


def _address(code: Binary, wanted: str, subject: str) -> int:
    if wanted.startswith("0x"):
        try:
            return int(wanted, 16)
        except ValueError:
            raise TargetError(f"{subject}: look up: not an address") from None
    found = _PLACE.fullmatch(wanted)
    assert found is not None
    function = one(code, found["name"], subject)
    return function.address + int(found["offset"] or "0", 0)


def one(code: Binary, name: str, subject: str) -> Code:
    """The only function of a name.

    Raises:
        TargetError: There is none, or there are several.
    """
    from syscast.btf.near import nearest  # noqa: PLC0415  (only errors need it)

    found = code.find(name)
    if not found:
        raise TargetError(
            f"{subject}: look up: the file has no such symbol"
            f"{'' if code.has_symtab else ' (it is stripped; debugging symbols may help)'}",
            nearest(name, {each.name for each in code.functions()}, _NEAR),
        )
    seen = [each for each in found if not each.local] or found
    if len({each.address for each in seen}) > 1:
        # A library may keep older versions of a function next to the one that is used.
        plain = [each for each in seen if not each.chosen]
        if len(plain) != 1:
            places = ", ".join(f"0x{each.address:x}" for each in seen)
            raise TargetError(
                f"{subject}: look up: several functions have this name (say which by address: {places})"
            )
        return plain[0]
    if seen[0].chosen:
        raise NotSupportedError(
            f"{subject}: attach: it only chooses one of several functions when a program starts "
            "(an ifunc; trace the one chosen, such as __memcpy_avx_unaligned_erms)"
        )
    return seen[0]
