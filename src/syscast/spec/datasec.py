"""Complete the BTF of an object file, so that the kernel takes it.

A compiler leaves to the loader what it cannot know: sizes of data sections and offsets of
global variables are 0, and extern variables and functions carry a linkage that the kernel
refuses (``btf_var_check_meta`` and ``btf_func_check_meta`` in its kernel/bpf/btf.c). All is
changed in place: no type gets another id, no string another offset.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from syscast.btf import parse
from syscast.btf.blob import MemoryBlob
from syscast.btf.types import (
    LINKAGE_GLOBAL,
    LINKAGE_STATIC,
    DataSec,
    Func,
    FuncProto,
    Int,
    Var,
)
from syscast.errors import FormatError
from syscast.spec.numbers import KCONFIG

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from syscast.btf.lookup import Btf

KSYMS = ".ksyms"
_EXTERN_SECTIONS = frozenset({KSYMS, KCONFIG})

_INFO_AT = 4
_SIZE_AT = 8
_TAIL_AT = 12
_RECORD = struct.Struct("<III")
_PARAM = struct.Struct("<II")
_KIND_STRUCT = parse.KIND_STRUCT << 24
_KIND_FUNC = parse.KIND_FUNC << 24
_MAX_SIZE = (1 << 32) - 1
_UNFIT = "the BTF does not fit to the symbols"


class Placed(NamedTuple):
    """An ELF section that holds variables.

    Attributes:
        size: Bytes.
        symbols: Byte offset by name.
    """

    size: int
    symbols: Mapping[str, int]


def complete(
    raw: bytes,
    btf: Btf,
    sections: Mapping[str, Placed],
    hidden: Collection[str],
    subject: str,
) -> bytes:
    """Fill in what the ELF file knows.

    Args:
        raw: The section ``.BTF``.
        btf: The same, parsed.
        sections: The object's sections by name.
        hidden: Functions of hidden visibility: the verifier checks them as static ones.
        subject: Object and name, for messages.

    Raises:
        FormatError: Types and symbols do not fit together.
    """
    patch = _Patch(raw, btf, subject)
    for type_id in range(1, len(btf)):
        found = btf.type(type_id)
        if isinstance(found, DataSec):
            if found.name in _EXTERN_SECTIONS:
                patch.neutralise(type_id, found)
            elif found.name in sections:
                patch.place(type_id, found, sections[found.name])
            else:
                raise FormatError(
                    f"{subject}: parse: the BTF describes a section '{found.name}' that is not there"
                )
        elif isinstance(found, Func) and found.name in hidden:
            patch.put(type_id, _INFO_AT, _KIND_FUNC | LINKAGE_STATIC)
    return bytes(patch.data)


class _Patch:
    def __init__(self, raw: bytes, btf: Btf, subject: str) -> None:
        self.data = bytearray(raw)
        self._btf = btf
        self._subject = subject
        header = parse.parse_header(MemoryBlob(raw), subject)
        start = header.type_offset
        types = raw[start : start + header.type_size]
        self._offsets = parse.scan(types, header.string_size, subject).offsets
        self._start = start

    def _at(self, type_id: int) -> int:
        return self._start + self._offsets[type_id - 1]

    def put(self, type_id: int, offset: int, value: int) -> None:
        """Change one word of a type."""
        struct.pack_into("<I", self.data, self._at(type_id) + offset, value)

    def place(self, type_id: int, section: DataSec, placed: Placed) -> None:
        """Set the section's size and its variables' offsets, in the order of offsets."""
        if placed.size > _MAX_SIZE:
            raise FormatError(f"{self._subject}: parse: section '{section.name}' is too large")
        records = []
        for record in section.vars:
            var = self._btf.type(record.type_id)
            if not isinstance(var, Var):
                raise FormatError(f"{self._subject}: parse: {_UNFIT} (section '{section.name}')")
            offset = record.offset
            if var.linkage != LINKAGE_STATIC:
                # The offset of a static variable is right already: its relocation is against
                # the section, with the offset in place.
                offset = placed.symbols.get(var.name, -1)
            if not 0 <= offset <= placed.size - record.size:
                raise FormatError(f"{self._subject}: parse: {_UNFIT} (variable '{var.name}')")
            records.append((record.type_id, offset, record.size))
        records.sort(key=lambda one: one[1])
        self.put(type_id, _SIZE_AT, placed.size)
        tail = self._at(type_id) + _TAIL_AT
        for number, values in enumerate(records):
            _RECORD.pack_into(self.data, tail + _RECORD.size * number, *values)

    def neutralise(self, type_id: int, section: DataSec) -> None:
        """Turn a section of externs into an anonymous struct of integers of the same length."""
        int_id, size = self._integer()
        where = self._at(type_id)
        count = len(section.vars)
        _RECORD.pack_into(self.data, where, 0, _KIND_STRUCT | count, count * size)
        for number, record in enumerate(section.vars):
            self._internal(record.type_id, int_id)
            member = where + _TAIL_AT + _RECORD.size * number
            _RECORD.pack_into(self.data, member, 0, int_id, number * size * 8)

    def _internal(self, type_id: int, int_id: int) -> None:
        """Make an extern look like something that the object defines."""
        found = self._btf.type(type_id)
        if isinstance(found, Var):
            self.put(type_id, _SIZE_AT, int_id)
            self.put(type_id, _TAIL_AT, LINKAGE_GLOBAL)
        elif isinstance(found, Func):
            self.put(type_id, _INFO_AT, _KIND_FUNC | LINKAGE_GLOBAL)
            proto = self._btf.type(found.type_id)
            if isinstance(proto, FuncProto):
                self._name_parameters(found.type_id, type_id, proto)

    def _name_parameters(self, proto_id: int, func_id: int, proto: FuncProto) -> None:
        """Only a pointer to a function may have parameters without names."""
        (name,) = struct.unpack_from("<I", self.data, self._at(func_id))
        for number, param in enumerate(proto.params):
            if not param.name:
                where = self._at(proto_id) + _TAIL_AT + _PARAM.size * number
                _PARAM.pack_into(self.data, where, name, param.type_id)

    def _integer(self) -> tuple[int, int]:
        for type_id in range(1, len(self._btf)):
            found = self._btf.type(type_id)
            if isinstance(found, Int) and found.bits == 8 * found.size:
                return type_id, found.size
        raise FormatError(f"{self._subject}: parse: the BTF has externs, but no integer type")
