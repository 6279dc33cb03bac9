"""From the bytes of a BPF ELF object to an ``ObjectSpec``, as libbpf reads one.

syscast's own objects and those that clang built go the same way. Maps are those of ``.maps``;
each data section becomes an array map with one value; what only a kernel can answer (CO-RE
relocations, extern symbols, configuration) stays open for the loader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.btf import ext
from syscast.btf.lookup import Btf
from syscast.btf.types import DataSec
from syscast.elf import (
    EM_BPF,
    ET_REL,
    SHN_LORESERVE,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_PROGBITS,
    SHT_REL,
    SHT_SYMTAB,
    STT_FUNC,
    STT_SECTION,
    STV_HIDDEN,
    STV_INTERNAL,
    Elf,
)
from syscast.errors import FormatError
from syscast.spec import datasec, mapdefs, sections
from syscast.spec.code import Code
from syscast.spec.externs import Externs
from syscast.spec.meta import ObjectMeta
from syscast.spec.numbers import F_RDONLY_PROG
from syscast.spec.objectspec import CoreRelo, MapSpec, ObjectSpec, ProgramSpec
from syscast.spec.relocations import Relocator

if TYPE_CHECKING:
    from syscast.btf.ext import BtfExt
    from syscast.elf import Section, Symbol
    from syscast.spec.code import Function
    from syscast.spec.mapdefs import MapDef

_MAX_VALUE = 1 << 30
_DATA = (".data", ".rodata", ".bss")


def read_object(data: bytes, name: str) -> ObjectSpec:
    """Read an object file.

    Args:
        data: The whole file.
        name: What to call it; part of the names of its data maps in the kernel.

    Raises:
        FormatError: Not a BPF object, a damaged one, or one that needs what is not supported;
            the message says what.
    """
    return _Reader(data, name).read()


class _Reader:
    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        self._subject = f"object '{name}'"
        elf = self._elf = Elf(data, self._subject)
        if elf.machine != EM_BPF or elf.type != ET_REL:
            raise FormatError(f"{self._subject}: read: it is an ELF file, but not a BPF object")
        table = next((each for each in elf.sections if each.type == SHT_SYMTAB), None)
        if table is None:
            raise FormatError(f"{self._subject}: read: it has no symbols")
        self._table = table.number
        self._symbols = elf.symbols(table)
        self._raw_btf = self._content(".BTF")
        self._btf = Btf.from_bytes(self._raw_btf, name=name) if self._raw_btf else None
        self._code = Code(self._subject)

    def read(self) -> ObjectSpec:
        info = self._read_info()
        externs = Externs(self._btf, self._subject)
        self._complete_btf()
        self._check_legacy()
        maps = mapdefs.read_maps(self._btf, self._subject) if self._btf else []
        if self._btf is None and self._elf.section(mapdefs.SECTION):
            raise FormatError(f"{self._subject}: read: it has maps, but no BTF (compile with -g)")
        data_maps = self._data_maps()
        for section in self._elf.sections:
            if section.executable and section.type == SHT_PROGBITS:
                content = bytes(self._elf.content(section))
                self._code.add_section(section, content, self._symbols)
        self._code.add_info(info)
        self._relocate(maps, data_maps, externs)
        self._code.add_plain_calls()
        self._add_core_relocations(info)
        all_maps = [*self._filled(maps), *data_maps.values()]
        if externs.kconfig:
            all_maps.append(externs.kconfig_map())
        return ObjectSpec(
            self._name,
            self._license(),
            tuple(self._programs()),
            self._unique(all_maps),
            self._raw_btf,
            self._meta(),
            tuple(externs.kconfig.values()),
        )

    def _check_legacy(self) -> None:
        if self._elf.section("maps"):
            raise FormatError(
                f"{self._subject}: read: it defines maps in the old way, as struct bpf_map_def in "
                f"section 'maps' (define them with __uint and __type in SEC(\".maps\"))"
            )

    def _content(self, name: str) -> bytes:
        section = self._elf.section(name)
        return bytes(self._elf.content(section)) if section else b""

    def _read_info(self) -> BtfExt:
        raw = self._content(".BTF.ext")
        if not raw or self._btf is None:
            return ext.BtfExt({}, {}, {})
        return ext.parse(raw, self._btf)

    def _complete_btf(self) -> None:
        if self._btf is None:
            return
        symbols: dict[int, dict[str, int]] = {}
        for symbol in self._symbols:
            symbols.setdefault(symbol.section, {})[symbol.name] = symbol.value
        placed = {
            section.name: datasec.Placed(section.size, symbols.get(section.number, {}))
            for section in self._elf.sections
        }
        hidden = {
            symbol.name
            for symbol in self._symbols
            if symbol.type == STT_FUNC and symbol.visibility in {STV_HIDDEN, STV_INTERNAL}
        }
        self._raw_btf = datasec.complete(self._raw_btf, self._btf, placed, hidden, self._subject)
        self._btf = Btf.from_bytes(self._raw_btf, name=self._name)

    def _data_maps(self) -> dict[int, MapSpec]:
        """Data sections as maps, by section number."""
        made = {}
        for section in self._elf.sections:
            head = "." + section.name[1:].partition(".")[0]
            kinds = {SHT_PROGBITS, SHT_NOBITS}
            if head not in _DATA or section.type not in kinds or not section.size:
                continue
            if section.size > _MAX_VALUE:
                raise FormatError(f"map '{section.name}': read: it has {section.size} bytes")
            type_id = self._btf.find(section.name, DataSec) if self._btf else None
            read_only = head == ".rodata"
            made[section.number] = MapSpec(
                section.name,
                "array",
                key_size=4,
                value_size=section.size,
                max_entries=1,
                flags=F_RDONLY_PROG if read_only else 0,
                value_type_id=type_id or 0,
                initial=bytes(self._elf.content(section)),
                read_only=read_only,
            )
        return made

    def _relocate(
        self, maps: list[MapDef], data_maps: dict[int, MapSpec], externs: Externs
    ) -> None:
        maps_section = self._elf.section(mapdefs.SECTION)
        self._slots: dict[str, list[tuple[int, str]]] = {}
        relocator = Relocator(
            self._code,
            maps_section.number if maps_section else -1,
            maps,
            {number: spec.name for number, spec in data_maps.items()},
            externs,
        )
        for section in self._elf.sections:
            if section.type != SHT_REL or not 0 < section.info < len(self._elf.sections):
                continue
            target = self._elf.sections[section.info]
            if target.executable:
                for relocation in self._elf.relocations(section):
                    symbol = self._symbol(relocation.symbol, target)
                    relocator.instruction(target, relocation, symbol)
            elif target.name == mapdefs.SECTION:
                for relocation in self._elf.relocations(section):
                    symbol = self._symbol(relocation.symbol, target)
                    name, slot, value = relocator.map_slot(relocation, symbol)
                    self._slots.setdefault(name, []).append((slot, value))

    def _symbol(self, number: int, section: Section) -> Symbol:
        if not 0 < number < len(self._symbols):
            raise FormatError(
                f"{self._subject}: read: a relocation of section '{section.name}' names symbol "
                f"{number}, which is not there"
            )
        found = self._symbols[number]
        if found.section >= SHN_LORESERVE or found.section >= len(self._elf.sections):
            raise FormatError(f"symbol '{found.name}': read: it lies in no section")
        if found.type == STT_SECTION and found.section != SHN_UNDEF:
            return found._replace(name=self._elf.sections[found.section].name)
        return found

    def _add_core_relocations(self, info: BtfExt) -> None:
        for section in {function.section.name for function in self._code.functions}:
            for relo in info.core_relos.get(section, ()):
                function, insn = self._code.named_place(section, relo.insn_off)
                access = self._btf.string(relo.access_str_off) if self._btf else ""
                function.core_relos.append(CoreRelo(insn, relo.type_id, access, relo.kind))

    def _filled(self, maps: list[MapDef]) -> list[MapSpec]:
        return [
            msgspec.structs.replace(each.spec, slots=tuple(self._slots.get(each.spec.name, ())))
            for each in maps
        ]

    def _unique(self, maps: list[MapSpec]) -> tuple[MapSpec, ...]:
        names = [each.name for each in maps]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FormatError(f"map '{twice}': read: there are two of this name")
        return tuple(maps)

    def _programs(self) -> list[ProgramSpec]:
        programs = []
        names = set()
        for function in self._code.functions:
            if function.section.name == ".text" or not function.exported:
                continue
            if function.name in names:
                raise FormatError(f"program '{function.name}': read: there are two of this name")
            names.add(function.name)
            programs.append(self._program(function))
        return programs

    def _program(self, function: Function) -> ProgramSpec:
        section = function.section.name
        found = sections.match(section)
        kind, target = found or (sections.SectionKind(""), "")
        made = self._code.assemble(function)
        return ProgramSpec(
            function.name,
            section,
            kind.type,
            kind.attach_type,
            target,
            made.insns,
            made.map_refs,
            made.core_relos,
            made.func_infos,
            made.line_infos,
            kind.sleepable,
            made.externs,
        )

    def _license(self) -> str:
        return self._content("license").partition(b"\0")[0].decode("ascii", "replace")

    def _meta(self) -> ObjectMeta | None:
        raw = self._content(".syscast")
        if not raw:
            return None
        try:
            return msgspec.msgpack.decode(raw, type=ObjectMeta)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FormatError(f"{self._subject}: read: section .syscast: {error}") from None
