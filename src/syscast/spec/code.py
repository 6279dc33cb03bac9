"""Cut an object's code into functions and put programs together from them.

The kernel takes a program as one run of instructions: the entry function, and behind it each
function that it calls or takes the address of. Calls and addresses between functions of an
object are relocations, or plain distances where both lie in one section.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from syscast.asm.opcodes import BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, LD_IMM64
from syscast.elf import STB_GLOBAL, STB_WEAK, STT_FUNC
from syscast.errors import FormatError
from syscast.spec.objectspec import CoreRelo, ExternRef, FuncInfo, LineInfo, MapRef

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.btf.ext import BtfExt
    from syscast.elf import Section, Symbol

SLOT = 8
MAX_SLOTS = 1_000_000  # BPF_COMPLEXITY_LIMIT_INSNS of the kernel's include/linux/bpf.h
_MAX_TOTAL = 4 * MAX_SLOTS  # against files whose functions overlap


class CodeRef(NamedTuple):
    """A place that names another function: a call, or an LD_IMM64 with its address.

    Attributes:
        insn: Index in the function.
        section: Number of the target's section.
        target: Index of the target's first instruction in that section.
    """

    insn: int
    section: int
    target: int


class Function(NamedTuple):
    """A function, everything in it counted from its own first instruction.

    Attributes:
        start: Index of its first instruction in the section.
        exported: Whether its symbol is global or weak.
        relocated: Instructions that a relocation is about.
    """

    name: str
    section: Section
    start: int
    insns: bytes
    exported: bool
    relocated: set[int]
    code_refs: list[CodeRef]
    map_refs: list[MapRef]
    externs: list[ExternRef]
    core_relos: list[CoreRelo]
    func_infos: list[FuncInfo]
    line_infos: list[LineInfo]

    @property
    def slots(self) -> int:
        """Length in instructions, LD_IMM64 counted as two."""
        return len(self.insns) // SLOT

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from all others: section number and start."""
        return self.section.number, self.start


class Assembled(NamedTuple):
    """A program in one piece, everything in it counted from its first instruction."""

    insns: bytes
    map_refs: tuple[MapRef, ...]
    externs: tuple[ExternRef, ...]
    core_relos: tuple[CoreRelo, ...]
    func_infos: tuple[FuncInfo, ...]
    line_infos: tuple[LineInfo, ...]


class Code:
    """All functions of an object.

    Attributes:
        functions: In the order of the symbol table, section by section.
    """

    def __init__(self, subject: str) -> None:
        self.functions: list[Function] = []
        self._subject = subject
        self._at: dict[tuple[int, int], Function] = {}
        self._starts: dict[int, list[int]] = {}
        self._numbers: dict[str, int] = {}
        self._total = 0

    def add_section(self, section: Section, content: bytes, symbols: Iterable[Symbol]) -> None:
        """Cut one executable section at its function symbols.

        Raises:
            FormatError: A function is not whole instructions inside of the section.
        """
        self._numbers.setdefault(section.name, section.number)
        for symbol in symbols:
            if symbol.section != section.number or symbol.type != STT_FUNC:
                continue
            end = symbol.value + symbol.size
            if not symbol.size or end > len(content) or (symbol.value | end) % SLOT:
                raise FormatError(
                    f"function '{symbol.name}': parse: it is not whole instructions of section "
                    f"'{section.name}'"
                )
            self._count(symbol.size // SLOT, symbol.name)
            exported = symbol.binding in {STB_GLOBAL, STB_WEAK}
            insns = content[symbol.value : end]
            start = symbol.value // SLOT
            made = Function(
                *(symbol.name, section, start, insns, exported, set()),
                *([], [], [], [], [], []),
            )
            self.functions.append(made)
            self._at[made.key] = made
        starts = sorted(start for number, start in self._at if number == section.number)
        self._starts[section.number] = starts

    def _count(self, slots: int, name: str) -> None:
        self._total += slots
        if slots > MAX_SLOTS or self._total > _MAX_TOTAL:
            raise FormatError(f"function '{name}': parse: more instructions than the kernel takes")

    def place(self, section: int, offset: int) -> tuple[Function, int] | None:
        """The function that holds a byte of a section, and the instruction's index in it."""
        starts = self._starts.get(section, [])
        slot, rest = divmod(offset, SLOT)
        found = bisect_right(starts, slot) - 1
        if rest or found < 0:
            return None
        function = self._at[section, starts[found]]
        insn = slot - function.start
        return (function, insn) if insn < function.slots else None

    def add_info(self, info: BtfExt) -> None:
        """Hand the records of ``.BTF.ext``, less the relocations, to their functions.

        Raises:
            FormatError: A record points where no instruction is.
        """
        for section in self._numbers:
            for func in info.func_info.get(section, ()):
                function, insn = self.named_place(section, func.insn_off)
                function.func_infos.append(FuncInfo(insn, func.type_id))
            for line in info.line_info.get(section, ()):
                function, insn = self.named_place(section, line.insn_off)
                made = LineInfo(insn, line.file_name_off, line.line_off, line.line, line.column)
                function.line_infos.append(made)

    def named_place(self, section: str, offset: int) -> tuple[Function, int]:
        """As ``place``, by the section's name; raises FormatError where nothing is."""
        number = self._numbers.get(section)
        found = None if number is None else self.place(number, offset)
        if found is None:
            raise FormatError(
                f"{self._subject}: parse: .BTF.ext names byte {offset} of section '{section}', "
                f"where no instruction is"
            )
        return found

    def add_plain_calls(self) -> None:
        """Find calls inside of one section that have no relocation: their distance is right."""
        for function in self.functions:
            slot = 0
            while slot < function.slots:
                opcode, registers, _, imm = _INSN.unpack_from(function.insns, slot * SLOT)
                local = opcode == CALL and registers >> 4 == BPF_PSEUDO_CALL
                if local and slot not in function.relocated:
                    target = function.start + slot + 1 + imm
                    function.code_refs.append(CodeRef(slot, function.section.number, target))
                slot += 2 if opcode == LD_IMM64 else 1

    def assemble(self, main: Function) -> Assembled:
        """Put a program together.

        Raises:
            FormatError: It calls where no function starts, or gets too long.
        """
        placed = self._layout(main)
        insns = bytearray().join(function.insns for function, _ in placed.values())
        for function, at in placed.values():
            for ref in function.code_refs:
                target = placed[ref.section, ref.target][1]
                _point(insns, at + ref.insn, target)
        order = list(placed.values())
        return Assembled(
            bytes(insns),
            tuple(_shifted(one, at) for function, at in order for one in function.map_refs),
            tuple(_shifted(one, at) for function, at in order for one in function.externs),
            tuple(_shifted(one, at) for function, at in order for one in function.core_relos),
            _whole([(function.func_infos, at) for function, at in order]),
            _whole([(function.line_infos, at) for function, at in order]),
        )

    def _layout(self, main: Function) -> dict[tuple[int, int], tuple[Function, int]]:
        """Which functions the program needs, and where each starts in it."""
        placed = {main.key: (main, 0)}
        waiting = [main]
        total = main.slots
        while waiting:
            function = waiting.pop()
            for ref in function.code_refs:
                key = ref.section, ref.target
                if key in placed:
                    continue
                target = self._at.get(key)
                if target is None:
                    raise FormatError(
                        f"function '{function.name}': link: instruction {ref.insn} names a "
                        f"place where no function starts"
                    )
                placed[key] = target, total
                waiting.append(target)
                total += target.slots
                self._count(target.slots, main.name)
        return placed


_INSN = struct.Struct("<BBhi")
_Info = TypeVar("_Info", FuncInfo, LineInfo)
_Ref = TypeVar("_Ref", MapRef, ExternRef, CoreRelo, FuncInfo, LineInfo)


def _shifted(one: _Ref, by: int) -> _Ref:
    return msgspec.structs.replace(one, insn=one.insn + by) if by else one


def _point(insns: bytearray, at: int, target: int) -> None:
    """Make the call or the address load at a slot name the function at another."""
    opcode, registers, off, _ = _INSN.unpack_from(insns, at * SLOT)
    if opcode == LD_IMM64:
        registers = registers & 0xF | BPF_PSEUDO_FUNC << 4
        struct.pack_into("<i", insns, at * SLOT + SLOT + 4, 0)
    _INSN.pack_into(insns, at * SLOT, opcode, registers, off, target - at - 1)


def _whole(parts: list[tuple[list[_Info], int]]) -> tuple[_Info, ...]:
    """The records of all functions, or none.

    The kernel refuses a program where one function lacks its first record (``check_btf_func``
    and ``check_btf_line`` in its kernel/bpf/verifier.c).
    """
    together = []
    for records, at in parts:
        if not records or records[0].insn != 0:
            return ()
        last = -1
        for record in records:
            if record.insn > last:
                last = record.insn
                together.append(_shifted(record, at))
    return tuple(together)
