"""What the verifier takes a load through a BTF pointer for: a scalar, a pointer, or a refusal.

Follows ``btf_struct_walk`` in kernel/bpf/btf.c, which goes by offset and size alone and takes the
first member that covers them. So in a union it may see another member than the program means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf import types
from syscast.btf.record import Record

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf

_NOT_READABLE = frozenset({"user", "percpu"})
_BLOCK = 8


class Walked(Record):
    """The verifier's view of an allowed load.

    Attributes:
        pointee: Struct that the loaded pointer points to; 0 for a scalar.
    """

    pointee: int


def walk(btf: Btf, root: int, offset: int, size: int) -> Walked | None:
    """The verifier's view of a load of ``size`` bytes at ``offset`` in struct ``root``.

    Returns:
        None where it refuses, or where what it sees differs between kernels.
    """
    at, in_union = root, False
    while True:
        struct = btf.type(btf.resolve(at))
        if not isinstance(struct, types.Struct) or offset + size > struct.size:
            return None
        in_union = in_union or struct.is_union
        found = _covering(btf, struct, offset, size)
        if found is None:
            return None
        start, type_id = found
        inside = btf.type(type_id)
        if isinstance(inside, types.Struct):
            at, offset = type_id, offset - start
            continue
        return _leaf(btf, inside, start, offset, size, in_union=in_union)


def _covering(btf: Btf, struct: types.Struct, offset: int, size: int) -> tuple[int, int] | None:
    """Start and resolved type of the first member that holds the offset, or of its element."""
    for member in struct.members:
        start = member.bit_offset // 8
        if offset + size <= start and not struct.is_union:
            return None
        if member.bitfield_size:
            last = member.bit_offset + member.bitfield_size
            if offset <= start and last <= (offset + size) * 8:
                return start, btf.resolve(member.type_id)
            continue
        if offset < start:
            return None
        type_id = btf.resolve(member.type_id)
        length = _size(btf, type_id)
        if offset >= start + length:
            continue
        element = type_id
        while isinstance(array := btf.type(element), types.Array):
            element = btf.resolve(array.element_id)
        each = _size(btf, element)
        if element != type_id and each:
            start += (offset - start) // each * each
        return start, element
    return None


def _size(btf: Btf, type_id: int) -> int:
    found = btf.type(type_id)
    if isinstance(found, types.Fwd | types.Void | types.FuncProto):
        return 0
    return btf.size_of(type_id)


def _leaf(
    btf: Btf, inside: object, start: int, offset: int, size: int, *, in_union: bool
) -> Walked | None:
    if not isinstance(inside, types.Ptr):
        whole = isinstance(inside, types.Int | types.Enum) and offset + size <= start + inside.size
        return Walked(0) if whole else None
    if start != offset or size != _BLOCK:
        return None
    target = inside.type_id
    while isinstance(tag := btf.type(target), types.TypeTag | types.Const | types.Volatile):
        if isinstance(tag, types.TypeTag) and tag.name in _NOT_READABLE:
            return Walked(0)
        target = tag.type_id
    pointee = btf.resolve(target)
    # Kernels disagree on pointers inside unions: typed by the first member, or not trusted.
    is_struct = isinstance(btf.type(pointee), types.Struct)
    return Walked(pointee if is_struct and not in_union else 0)
