"""Members of kernel structs that passes read on their own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.layout import find_member
from syscast.btf.types import Array, Ptr
from syscast.errors import TargetError
from syscast.ir import ops
from syscast.ir.ops import FieldRef
from syscast.ir.types import U32, PtrType, Space

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.types import Reg
    from syscast.passes.editor import Editor


def member(btf: Btf, struct_id: int, name: str) -> FieldRef:
    """A member; ``a.b`` for one of an embedded struct, ``a[1]`` for an array's element.

    Raises:
        TargetError: The kernel's struct has none of this name.
    """
    root = btf.resolve(struct_id)
    access: tuple[int, ...] = ()
    at, bits, bitfield = root, 0, 0
    for part in name.split("."):
        plain, _, index = part.partition("[")
        found = find_member(btf, at, plain)
        if found is None:
            raise TargetError(f"member '{name}': look up: type {root} has no such member")
        access += found.access
        bits += found.bit_offset
        at, bitfield = found.type_id, found.bitfield_size
        array = btf.type(btf.resolve(at))
        if index and isinstance(array, Array):
            number = int(index.rstrip("]"))
            access += (number,)
            at = array.element_id
            bits += number * btf.size_of(at) * 8
    return FieldRef(root, access, at, bits, bitfield, name)


def walk(editor: Editor, base: Reg, steps: tuple[str, ...], site: int) -> Reg:
    """Read members one after another, each through the pointer before; the last is a u32."""
    for number, step in enumerate(steps):
        type_ = base.type
        assert isinstance(type_, PtrType)
        field = member(editor.btf, type_.pointee, step)
        if number + 1 < len(steps):
            found = editor.btf.type(editor.btf.resolve(field.type_id))
            pointee = found.type_id if isinstance(found, Ptr) else 0
            made = editor.register(PtrType(Space.KERNEL, pointee))
        else:
            made = editor.register(U32)
        editor.add(ops.FieldLoad(result=made, base=base, field=field, site=site))
        base = made
    return base
