"""From types to the bytes of BTF, and BTF for kernels that do not know all of its kinds."""

from __future__ import annotations

import struct
from functools import singledispatch
from typing import TYPE_CHECKING

from syscast.btf import parse
from syscast.btf.strip import strip_for
from syscast.btf.types import (
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Var,
    Volatile,
)
from syscast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf
    from syscast.btf.types import BtfType

__all__ = ["BtfBuilder", "strip_for"]

_MAX_VLEN = 0xFFFF  # what every kernel with BTF takes
_FLAG = 1 << 31


class BtfBuilder:
    """Collects types and strings, each once, and encodes them.

    Types that refer to each other in a circle need an id first: ``reserve`` one, then ``define``.
    """

    def __init__(self, *, base: Btf | None = None) -> None:
        """Start empty, or as a split BTF on top of ``base``."""
        self._start_id = len(base) if base else 1
        self._string_start = base.string_end if base else 0
        self._types: list[BtfType | None] = []
        self._ids: dict[BtfType, int] = {}
        self._strings: dict[str, int] = {"": 0}
        self._string_data = bytearray(b"" if base else b"\0")

    def __len__(self) -> int:
        """One more than the greatest id."""
        return self._start_id + len(self._types)

    def add(self, made: BtfType) -> int:
        """Add a type, unless an equal one is there, and return its id."""
        found = self._ids.get(made)
        if found is None:
            found = self.reserve()
            self.define(found, made)
        return found

    def reserve(self) -> int:
        """Return a new id to ``define`` later."""
        self._types.append(None)
        return len(self) - 1

    def define(self, type_id: int, made: BtfType) -> None:
        """Say what a reserved id stands for."""
        number = type_id - self._start_id
        if self._types[number] is not None:
            raise ValueError(f"type {type_id} is defined already")
        self._types[number] = made
        self._ids.setdefault(made, type_id)

    def string(self, text: str) -> int:
        """Add a string, unless it is there, and return its offset."""
        found = self._strings.get(text)
        if found is None:
            raw = text.encode()
            if b"\0" in raw:
                raise UsageError(f"btf string {text!r}: encode: it holds a NUL")
            found = self._strings[text] = self._string_start + len(self._string_data)
            self._string_data += raw + b"\0"
        return found

    def encode(self) -> bytes:
        """Return all of it as BTF.

        Raises:
            UsageError: A number does not fit its field, or there are too many members.
        """
        parts = []
        for number, made in enumerate(self._types):
            if made is None:
                raise ValueError(f"type {number + self._start_id} was reserved, never defined")
            try:
                parts.append(_encode(made, self.string))
            except struct.error as error:
                raise UsageError(f"btf type {made!r}: encode: {error}") from error
        types = b"".join(parts)
        strings = bytes(self._string_data)
        return parse.encode_header(len(types), len(strings)) + types + strings


def _common(name: int, kind: int, word: int, vlen: int = 0, *, flag: bool = False) -> bytes:
    if vlen > _MAX_VLEN:
        raise UsageError(f"btf type: encode: {vlen} members are too many")
    return struct.pack("=III", name, kind << 24 | vlen | (_FLAG if flag else 0), word)


@singledispatch
def _encode(made: BtfType, _string: Callable[[str], int]) -> bytes:
    raise UsageError(f"btf type {made!r}: encode: void has the id 0 and no bytes")


@_encode.register(Int)
def _int(made: Int, string: Callable[[str], int]) -> bytes:
    word = made.encoding << 24 | made.offset << 16 | made.bits
    return _common(string(made.name), parse.KIND_INT, made.size) + struct.pack("=I", word)


@_encode.register(Array)
def _array(made: Array, _string: Callable[[str], int]) -> bytes:
    words = struct.pack("=III", made.element_id, made.index_id, made.count)
    return _common(0, parse.KIND_ARRAY, 0) + words


@_encode.register(Struct)
def _struct(made: Struct, string: Callable[[str], int]) -> bytes:
    flag = any(member.bitfield_size for member in made.members)
    kind = parse.KIND_UNION if made.is_union else parse.KIND_STRUCT
    parts = [_common(string(made.name), kind, made.size, len(made.members), flag=flag)]
    for member in made.members:
        offset = member.bit_offset
        if flag:
            if offset >> 24 or member.bitfield_size >> 8:
                raise UsageError(
                    f"btf struct '{made.name}': encode: it is too large for bit fields"
                )
            offset |= member.bitfield_size << 24
        parts.append(struct.pack("=III", string(member.name), member.type_id, offset))
    return b"".join(parts)


@_encode.register(Enum)
def _enum(made: Enum, string: Callable[[str], int]) -> bytes:
    kind = parse.KIND_ENUM64 if made.wide else parse.KIND_ENUM
    parts = [_common(string(made.name), kind, made.size, len(made.values), flag=made.signed)]
    sign = "i" if made.signed else "I"
    for value in made.values:
        name, number = string(value.name), value.value
        if made.wide:
            parts.append(struct.pack(f"=II{sign}", name, number & 0xFFFFFFFF, number >> 32))
        else:
            parts.append(struct.pack(f"=I{sign}", name, number))
    return b"".join(parts)


@_encode.register(FuncProto)
def _func_proto(made: FuncProto, string: Callable[[str], int]) -> bytes:
    count = len(made.params) + made.variadic
    parts = [_common(0, parse.KIND_FUNC_PROTO, made.return_id, count)]
    parts += [struct.pack("=II", string(param.name), param.type_id) for param in made.params]
    if made.variadic:
        parts.append(bytes(8))
    return b"".join(parts)


@_encode.register(DataSec)
def _data_sec(made: DataSec, string: Callable[[str], int]) -> bytes:
    parts = [_common(string(made.name), parse.KIND_DATASEC, made.size, len(made.vars))]
    parts += [struct.pack("=III", var.type_id, var.offset, var.size) for var in made.vars]
    return b"".join(parts)


@_encode.register(Var)
def _var(made: Var, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_VAR, made.type_id) + struct.pack(
        "=I", made.linkage
    )


@_encode.register(DeclTag)
def _decl_tag(made: DeclTag, string: Callable[[str], int]) -> bytes:
    common = _common(string(made.name), parse.KIND_DECL_TAG, made.type_id, flag=made.attribute)
    return common + struct.pack("=i", made.component)


@_encode.register(Ptr)
def _ptr(made: Ptr, _string: Callable[[str], int]) -> bytes:
    return _common(0, parse.KIND_PTR, made.type_id)


@_encode.register(Fwd)
def _fwd(made: Fwd, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_FWD, 0, flag=made.is_union)


@_encode.register(Typedef)
def _typedef(made: Typedef, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_TYPEDEF, made.type_id)


@_encode.register(Volatile)
def _volatile(made: Volatile, _string: Callable[[str], int]) -> bytes:
    return _common(0, parse.KIND_VOLATILE, made.type_id)


@_encode.register(Const)
def _const(made: Const, _string: Callable[[str], int]) -> bytes:
    return _common(0, parse.KIND_CONST, made.type_id)


@_encode.register(Restrict)
def _restrict(made: Restrict, _string: Callable[[str], int]) -> bytes:
    return _common(0, parse.KIND_RESTRICT, made.type_id)


@_encode.register(Func)
def _func(made: Func, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_FUNC, made.type_id, made.linkage)


@_encode.register(Float)
def _float(made: Float, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_FLOAT, made.size)


@_encode.register(TypeTag)
def _type_tag(made: TypeTag, string: Callable[[str], int]) -> bytes:
    return _common(string(made.name), parse.KIND_TYPE_TAG, made.type_id, flag=made.attribute)
