"""ELF relocations of BPF code and of ``.maps``.

R_BPF_64_64 is an LD_IMM64 of an address, R_BPF_64_32 a call (Documentation/bpf/llvm_reloc.rst
in the kernel). The other types are about debug information. All are Elf64_Rel: the addend
stands in the instruction.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from syscast.asm.opcodes import BPF_PSEUDO_CALL, CALL, LD_IMM64
from syscast.elf import SHN_UNDEF, STB_WEAK, STT_FUNC, STT_SECTION
from syscast.errors import FormatError
from syscast.spec.code import SLOT, CodeRef
from syscast.spec.numbers import KCONFIG
from syscast.spec.objectspec import ExternRef, MapRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.elf import Relocation, Section, Symbol
    from syscast.spec.code import Code, Function
    from syscast.spec.externs import Externs
    from syscast.spec.mapdefs import MapDef

_INSN = struct.Struct("<BBhi")


class Relocator:
    """Turns each relocation into a reference of the function that it lies in."""

    def __init__(
        self,
        code: Code,
        maps_section: int,
        maps: list[MapDef],
        data_maps: Mapping[int, str],
        externs: Externs,
    ) -> None:
        """Take what symbols can mean.

        Args:
            code: The functions, which get the references.
            maps_section: Number of ``.maps``, or -1.
            maps: What is in it.
            data_maps: Map names by the numbers of data sections.
            externs: What undefined symbols stand for.
        """
        self._code = code
        self._maps_section = maps_section
        self._maps = maps
        self._data_maps = data_maps
        self._externs = externs

    def instruction(self, section: Section, relocation: Relocation, symbol: Symbol) -> None:
        """Apply a relocation of an executable section.

        Raises:
            FormatError: It makes no sense, or is of a kind that is not supported.
        """
        place = self._code.place(section.number, relocation.offset)
        if place is None:
            raise FormatError(
                f"section '{section.name}': link: a relocation at byte {relocation.offset}, "
                f"where no instruction is"
            )
        function, insn = place
        opcode, registers, _, imm = _INSN.unpack_from(function.insns, insn * SLOT)
        if opcode == CALL:
            self._call(function, insn, symbol, imm)
        elif opcode == LD_IMM64 and insn + 1 < function.slots and not registers >> 4:
            self._address(function, insn, symbol, imm)
        else:
            raise self._error(function, insn, symbol, "neither a call nor an address load")
        function.relocated.add(insn)

    def _call(self, function: Function, insn: int, symbol: Symbol, imm: int) -> None:
        if symbol.section == SHN_UNDEF:
            name, kind = self._externs.symbol(symbol, call=True)
            weak = symbol.binding == STB_WEAK
            function.externs.append(ExternRef(insn, name, kind, weak))
            return
        registers = function.insns[insn * SLOT + 1]
        if registers >> 4 != BPF_PSEUDO_CALL or symbol.value % SLOT:
            raise self._error(function, insn, symbol, "a call, but not of a function")
        target = symbol.value // SLOT + imm + 1
        function.code_refs.append(CodeRef(insn, symbol.section, target))

    def _address(self, function: Function, insn: int, symbol: Symbol, imm: int) -> None:
        if symbol.section == SHN_UNDEF:
            self._extern(function, insn, symbol)
        elif symbol.section == self._maps_section:
            addend = imm if symbol.type == STT_SECTION else 0
            found = self._map_at(symbol.value + addend)
            if found is None or found.offset != symbol.value + addend:
                raise self._error(function, insn, symbol, "the inside of a map")
            function.map_refs.append(MapRef(insn, found.spec.name))
        elif symbol.section in self._data_maps:
            name = self._data_maps[symbol.section]
            offset = symbol.value + imm
            if offset < 0:
                raise self._error(function, insn, symbol, "a place before the section")
            function.map_refs.append(MapRef(insn, name, offset))
        else:
            target, rest = divmod(symbol.value + imm, SLOT)
            if rest or self._code.place(symbol.section, symbol.value + imm) is None:
                raise self._error(function, insn, symbol, "neither a map, data nor a function")
            function.code_refs.append(CodeRef(insn, symbol.section, target))

    def _extern(self, function: Function, insn: int, symbol: Symbol) -> None:
        weak = symbol.binding == STB_WEAK
        var = self._externs.config(symbol, weak=weak)
        if var is not None:
            function.map_refs.append(MapRef(insn, KCONFIG, var.offset))
            return
        name, kind = self._externs.symbol(symbol, call=False)
        function.externs.append(ExternRef(insn, name, kind, weak))

    def map_slot(self, relocation: Relocation, symbol: Symbol) -> tuple[str, int, str]:
        """Apply a relocation of ``.maps``: a map or program that stands in a map from the start.

        Returns:
            The map, the index in it, the name of what stands there.

        Raises:
            FormatError: It is none.
        """
        into = self._map_at(relocation.offset)
        position = relocation.offset - into.offset - into.values_at if into else -1
        if into is None or into.values_at < 0 or position < 0 or position % SLOT:
            raise FormatError(
                f"section '.maps': link: a relocation at byte {relocation.offset}, where no slot "
                f"of a map is"
            )
        name = ""
        if symbol.section == self._maps_section and symbol.type != STT_SECTION:
            found = self._map_at(symbol.value)
            name = found.spec.name if found else ""
        elif symbol.type == STT_FUNC:
            name = symbol.name
        if not name:
            raise FormatError(
                f"map '{into.spec.name}': link: slot {position // SLOT} holds neither a program "
                f"nor a map that is not static"
            )
        return into.spec.name, position // SLOT, name

    def _map_at(self, offset: int) -> MapDef | None:
        for each in self._maps:
            if each.offset <= offset < each.offset + max(each.size, 1):
                return each
        return None

    def _error(self, function: Function, insn: int, symbol: Symbol, what: str) -> FormatError:
        return FormatError(
            f"function '{function.name}': link: instruction {insn} with symbol '{symbol.name}': "
            f"{what}"
        )
