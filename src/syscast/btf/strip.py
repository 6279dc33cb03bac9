"""BTF for a kernel that refuses some of it: newer kinds give way to older ones.

Each replacement has exactly the size of what it replaces, so every id, and every offset of a
string, stays what it was. The rules are those of libbpf's ``bpf_object__sanitize_btf``. Types
only; what a kernel without BTF at all wants is no BTF.
"""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from syscast.btf import parse
from syscast.btf.blob import MemoryBlob
from syscast.errors import FormatError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

Unsupported: TypeAlias = Literal[
    "func",
    "func_global",
    "datasec",
    "qmark_datasec",
    "float",
    "decl_tag",
    "type_tag",
    "enum64",
]
"""What a kernel may lack, named like libbpf's FEAT_BTF_*; ``qmark_datasec`` is a ``?`` in a name."""

_PLACEHOLDER = b"enum64_placeholder\0"
_FLAG = 1 << 31
_VLEN = 0xFFFF
_ONE_BYTE_INT = 8  # the word of an INT: no encoding, offset 0, 8 bits


def strip_for(btf_bytes: bytes, unsupported: Collection[Unsupported]) -> bytes:
    """Replace what a kernel does not support.

    Args:
        btf_bytes: The BTF of an object.
        unsupported: What the kernel lacks; empty returns the bytes as they are.

    Raises:
        FormatError: The bytes are not BTF.
        UsageError: A name that ``Unsupported`` does not list.
    """
    unknown = set(unsupported) - set(get_args(Unsupported))
    if unknown:
        raise UsageError(f"btf: strip: {', '.join(sorted(unknown))} is not known")
    if not unsupported:
        return btf_bytes
    editor = _Editor(btf_bytes)
    for number, kind in enumerate(editor.scan.kinds):
        at = editor.scan.offsets[number] // 4
        if kind in {parse.KIND_FUNC, parse.KIND_FUNC_PROTO}:
            editor.replace_function(at, kind, unsupported)
        elif kind in {parse.KIND_VAR, parse.KIND_DATASEC}:
            editor.replace_data(at, kind, unsupported)
        else:
            editor.replace_type(at, kind, unsupported)
    return editor.finish()


class _Editor:
    """The words of the types, to be changed in place, and the strings."""

    def __init__(self, btf_bytes: bytes) -> None:
        blob = MemoryBlob(btf_bytes)
        header = parse.parse_header(blob, "btf")
        parse.check_strings(blob, header, "btf", split=False)
        section = blob.read(header.type_offset, header.type_size)
        self.scan = parse.scan(section, header.string_size, "btf")
        self.words = array("I")
        self.words.frombytes(section)
        self.strings = bytearray(blob.read(header.string_offset, header.string_size))
        self._placeholder = 0

    def start_of(self, type_id: int) -> int:
        """Return the number of the first word of a type."""
        if not 0 < type_id <= len(self.scan.kinds):
            raise FormatError(f"btf: type {type_id}: there is no such id")
        return self.scan.offsets[type_id - 1] // 4

    def replace_function(self, at: int, kind: int, unsupported: Collection[Unsupported]) -> None:
        words = self.words
        if kind == parse.KIND_FUNC:
            if "func" in unsupported:
                words[at + 1] = parse.KIND_TYPEDEF << 24
            elif "func_global" in unsupported:
                words[at + 1] = parse.KIND_FUNC << 24
        elif "func" in unsupported:  # a parameter is as long as an enumerator
            words[at + 1] = parse.KIND_ENUM << 24 | words[at + 1] & _VLEN
            words[at + 2] = 4

    def replace_data(self, at: int, kind: int, unsupported: Collection[Unsupported]) -> None:
        if "datasec" not in unsupported:
            if "qmark_datasec" in unsupported and kind == parse.KIND_DATASEC:
                self._rename(self.words[at], b"?")
        elif kind == parse.KIND_VAR:
            self._make_int(at)
        else:
            self._make_struct(at)

    def replace_type(self, at: int, kind: int, unsupported: Collection[Unsupported]) -> None:
        words = self.words
        if kind == parse.KIND_DECL_TAG and "decl_tag" in unsupported:
            self._make_int(at)
        elif kind == parse.KIND_FLOAT and "float" in unsupported:
            words[at], words[at + 1] = 0, parse.KIND_STRUCT << 24
        elif kind == parse.KIND_TYPE_TAG and "type_tag" in unsupported:
            words[at], words[at + 1] = 0, parse.KIND_CONST << 24
        elif kind == parse.KIND_ENUM and "enum64" in unsupported:
            words[at + 1] &= ~_FLAG  # the sign came with ENUM64
        elif kind == parse.KIND_ENUM64 and "enum64" in unsupported:
            self._make_union(at)

    def _make_int(self, at: int) -> None:
        self.words[at + 1 : at + 4] = array("I", (parse.KIND_INT << 24, 1, _ONE_BYTE_INT))

    def _make_struct(self, at: int) -> None:
        """A data section becomes a struct whose members are the variables."""
        words = self.words
        count = words[at + 1] & _VLEN
        words[at + 1] = parse.KIND_STRUCT << 24 | count
        self._rename(words[at], b".?")
        for record in range(at + 3, at + 3 + 3 * count, 3):
            type_id, offset = words[record], words[record + 1]
            if offset >= 1 << 29:
                raise FormatError("btf: a variable lies too far into its section")
            name = words[self.start_of(type_id)]
            words[record : record + 3] = array("I", (name, type_id, offset * 8))

    def _make_union(self, at: int) -> None:
        """Enumerators become members of one byte, so that their names stay."""
        words = self.words
        if not self._placeholder:
            self._placeholder = len(self.scan.kinds) + 1
        count = words[at + 1] & _VLEN
        words[at + 1] = parse.KIND_UNION << 24 | count
        for record in range(at + 3, at + 3 + 3 * count, 3):
            words[record + 1], words[record + 2] = self._placeholder, 0

    def _rename(self, offset: int, unwanted: bytes) -> None:
        end = self.strings.find(0, offset)
        for place in range(offset, end):
            if self.strings[place] in unwanted:
                self.strings[place] = ord("_")

    def finish(self) -> bytes:
        types = self.words.tobytes()
        if self._placeholder:
            types += struct.pack("=4I", len(self.strings), parse.KIND_INT << 24, 1, _ONE_BYTE_INT)
            self.strings += _PLACEHOLDER
        return parse.encode_header(len(types), len(self.strings)) + types + bytes(self.strings)
