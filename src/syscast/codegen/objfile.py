"""Takes out of LLVM's object what only a debugger would read: DWARF and unwind tables.

LLVM writes .BTF from the same metadata as DWARF and cannot be told to leave DWARF out; it is more
than half of the object. This is what ``llvm-strip -g`` does for clang's objects.
"""

from __future__ import annotations

from struct import Struct

from syscast.elf import SHT_REL, SHT_SYMTAB, Elf, Section
from syscast.errors import InternalError

_HEADER = Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
_SECTION = Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_SYMBOL = Struct("<IBBHQQ")  # Elf64_Sym
_REL = Struct("<QQ")  # Elf64_Rel
_SHT_STRTAB = 3
_SHT_NOBITS = 8
_SHN_LORESERVE = 0xFF00
_LOCAL = 0
_DROPPED = (".debug_", ".eh_frame", ".llvm_addrsig")


def strip(data: bytes) -> bytes:
    """The object without DWARF.

    Raises:
        FormatError: It is no ELF file.
    """
    return _Stripped(data).write()


class _Stripped:
    """One object while it is rewritten."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._elf = Elf(data, "object")
        kept = [each for each in self._elf.sections if not _is_debug(each)]
        self._kept = kept
        self._sections = {each.number: number for number, each in enumerate(kept)}
        self._strings = bytearray(b"\0")
        self._symbols: dict[int, int] = {}
        self._locals = 0
        self._symbol_table = self._make_symbols()

    def write(self) -> bytes:
        header = list(_HEADER.unpack_from(self._data))
        out = bytearray(_HEADER.size)
        contents = [self._content(each) for each in self._kept]
        # Names go into the string table, so it is complete only after all other sections.
        names = [self._string(each.name) for each in self._kept]
        table = bytearray()
        for section, content, name in zip(self._kept, contents, names, strict=True):
            body = bytes(self._strings) if section.type == _SHT_STRTAB else content
            out += bytes(-len(out) % 8)
            offset = len(out) if section.type else 0
            table += self._header(section, name, offset, len(body))
            out += body
        out += bytes(-len(out) % 8)
        header[6], header[12] = len(out), len(self._kept)  # e_shoff, e_shnum
        header[13] = self._sections[header[13]]  # e_shstrndx
        out[: _HEADER.size] = _HEADER.pack(*header)
        return bytes(out + table)

    def _header(self, section: Section, name: int, offset: int, size: int) -> bytes:
        link = self._sections.get(section.link, 0)
        info = section.info
        if section.type == SHT_SYMTAB:
            info = self._locals
        elif section.type == SHT_REL:
            info = self._sections[info]
        if section.type == _SHT_NOBITS:
            size = section.size
        align = 8 if section.type in {SHT_SYMTAB, SHT_REL} else 1 if section.type else 0
        if section.type and section.flags:
            align = 8
        return _SECTION.pack(
            *(name, section.type, section.flags, section.address, offset, size),
            *(link, info, align, section.entry_size),
        )

    def _content(self, section: Section) -> bytes:
        if not section.type or section.type == _SHT_NOBITS:
            return b""
        raw = bytes(self._elf.content(section))
        if section.type == SHT_SYMTAB:
            return self._symbol_table
        if section.type == SHT_REL:
            return self._relocations(raw)
        return raw

    def _make_symbols(self) -> bytes:
        section = next(each for each in self._kept if each.type == SHT_SYMTAB)
        raw = bytes(self._elf.content(section))
        names = self._elf.symbols(section)
        made = bytearray()
        for number, entry in enumerate(_SYMBOL.iter_unpack(raw)):
            _, info, other, index, value, size = entry
            if 0 < index < _SHN_LORESERVE and index not in self._sections:
                continue
            index = self._sections.get(index, index)
            self._symbols[number] = len(made) // _SYMBOL.size
            self._locals += info >> 4 == _LOCAL
            name = self._string(names[number].name)
            made += _SYMBOL.pack(name, info, other, index, value, size)
        return bytes(made)

    def _relocations(self, raw: bytes) -> bytes:
        made = bytearray()
        for offset, info in _REL.iter_unpack(raw):
            symbol = self._symbols.get(info >> 32)
            if symbol is None:
                raise InternalError("object: strip: code refers to debug information")
            made += _REL.pack(offset, symbol << 32 | info & 0xFFFFFFFF)
        return bytes(made)

    def _string(self, text: str) -> int:
        raw = text.encode() + b"\0"
        if raw == b"\0":
            return 0
        at = self._strings.find(b"\0" + raw)
        if at >= 0:
            return at + 1
        self._strings += raw
        return len(self._strings) - len(raw)


def _is_debug(section: Section) -> bool:
    return section.name.removeprefix(".rel").startswith(_DROPPED)
