"""A program by source line: its IR, its instructions as they go to the kernel, its reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.asm import decode
from syscast.asm.disassemble import disassemble_one
from syscast.errors import FormatError, TargetError
from syscast.ir import ops
from syscast.ir.helpers import HELPERS
from syscast.ir.ops import Access
from syscast.ir.printer import op_text
from syscast.ir.types import PtrType, Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.ir.program import Function
    from syscast.spec.objectspec import ObjectSpec, ProgramSpec

Place = tuple[str, int]
"""File and line."""


class Instruction(msgspec.Struct, frozen=True):
    """One instruction.

    Attributes:
        index: Slot in the program, as the verifier counts.
        text: Disassembled.
        visits: How often the verifier stepped on it.
    """

    index: int
    text: str
    visits: int


class Reads(msgspec.Struct, frozen=True):
    """Members and strings that a program reads, by the way it reads them.

    Attributes:
        direct: By plain loads, which the verifier follows by type.
        probe: By bpf_probe_read_kernel and its form for strings.
        user: By bpf_probe_read_user and its form for strings.
    """

    direct: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    user: tuple[str, ...] = ()


def ir_lines(function: Function) -> dict[Place, list[str]]:
    """The text of each op, under the line that it belongs to; labels before the first op of theirs."""
    found: dict[Place, list[str]] = {}
    place: Place = (function.span.file, function.span.line) if function.span else ("", 0)
    for block in function.blocks:
        label: str | None = f"{block.label}:"
        for op in block.ops:
            if op.span is not None:
                place = (op.span.file, op.span.line)
            lines = found.setdefault(place, [])
            if label is not None:
                lines.append(label)
                label = None
            lines.append(f"  {op_text(op)}")
    return found


def reads_of(function: Function) -> Reads:
    """How a function reads memory, in the order of its ops; needs the pass kernel_reads."""
    found: dict[str, dict[str, None]] = {"direct": {}, "probe": {}, "user": {}}
    for block in function.blocks:
        for op in block.ops:
            match op:
                case ops.FieldLoad(access=Access.DIRECT):
                    found["direct"][op.field.name] = None
                case ops.FieldLoad():
                    user = op.access is Access.USER
                    found["user" if user else "probe"][op.field.name] = None
                case ops.ReadStr():
                    found[_space(op)]["a string"] = None
                case ops.ReadBytes():
                    found[_space(op)]["bytes"] = None
                case _:
                    pass
    return Reads(*(tuple(names) for names in found.values()))


def _space(op: ops.ReadStr | ops.ReadBytes) -> str:
    type_ = op.src.type
    return "user" if isinstance(type_, PtrType) and type_.space is Space.USER else "probe"


def instructions(
    spec: ObjectSpec, program: ProgramSpec, visits: Mapping[int, int]
) -> dict[Place, list[Instruction]]:
    """A program's instructions, relocated for this kernel, by source line."""
    places = _Places(spec, program)
    names = _names(program)
    helpers = {each.number: each.name for each in HELPERS.values()}
    found: dict[Place, list[Instruction]] = {}
    slot = 0
    for one in decode(_relocated(spec, program)):
        text = disassemble_one(one, helpers)
        if slot in names:
            text = f"r{one.dst} = {names[slot]}"
        found.setdefault(places(slot), []).append(Instruction(slot, text, visits.get(slot, 0)))
        slot += one.slots
    return found


def _relocated(spec: ObjectSpec, program: ProgramSpec) -> bytes:
    """After CO-RE; as compiled where this kernel lacks something that the program asks for."""
    from syscast.btf import source  # noqa: PLC0415  (see the imports of `loader.load`)
    from syscast.loader.resolve import Resolver  # noqa: PLC0415

    try:
        return Resolver(spec, source.kernel(), modules=True).program(program).insns
    except (TargetError, FormatError):
        return program.insns


def _names(program: ProgramSpec) -> dict[int, str]:
    """What stands in the place of map descriptors."""
    return {
        ref.insn: f"map {ref.map}" if ref.offset < 0 else f"&{ref.map}[{ref.offset}]"
        for ref in program.map_refs
    }


class _Places:
    """Looks up the source line of each instruction."""

    def __init__(self, spec: ObjectSpec, program: ProgramSpec) -> None:
        from syscast.btf.lookup import Btf  # noqa: PLC0415  (see above)

        self._infos = [each for each in program.line_infos if each.line]
        self._btf = Btf.from_bytes(spec.btf, name=spec.name) if spec.btf else None
        self._at = -1

    def __call__(self, insn: int) -> Place:
        """The place of an instruction; asked in the order of the program."""
        while self._at + 1 < len(self._infos) and self._infos[self._at + 1].insn <= insn:
            self._at += 1
        if self._at < 0 or self._btf is None:
            return "", 0
        info = self._infos[self._at]
        return self._btf.string(info.file_off), info.line
