"""Names, members and subscripts: from a pointer to what it points to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from syscast.btf.layout import find_member, near_members
from syscast.btf.render import type_name
from syscast.btf.types import Array, Enum, Fwd, Int, Ptr, Struct, Typedef
from syscast.btf.types import Const as ConstType
from syscast.frontend.python.compound import field, load_compound
from syscast.frontend.python.context import Rejected
from syscast.frontend.python.enums import enumerator
from syscast.frontend.python.kernelenums import KernelEnum
from syscast.frontend.python.language import Current
from syscast.frontend.python.ownership import owned
from syscast.frontend.python.values import (
    BoolValue,
    ElementValue,
    EventValue,
    IntValue,
    ItemValue,
    Lowered,
    MethodValue,
    PlaceValue,
    PtrValue,
    PyValue,
    RecordValue,
    StructValue,
    StrValue,
    TupleValue,
)
from syscast.ir.intervals import of_type
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Branch,
    ByteSwap,
    Checked,
    CheckedOp,
    Convert,
    CurrentComm,
    CurrentItem,
    ExactCompare,
    FieldAddr,
    FieldLoad,
    FieldRef,
    Offset,
    Predicate,
    Raise,
    ScalarLoad,
    Select,
    SlotAddr,
    SlotLoad,
)
from syscast.ir.ops import (
    Current as CurrentOp,
)
from syscast.ir.types import BOOL, I64, U8, U64, Const, IntType, PtrType, Space, Value
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering

COMM_SIZE = 16
"""TASK_COMM_LEN."""

_ITEMS = {
    "pid": CurrentItem.PID,
    "tid": CurrentItem.TID,
    "ppid": CurrentItem.PPID,
    "uid": CurrentItem.UID,
    "gid": CurrentItem.GID,
    "cpu": CurrentItem.CPU,
    "cgroup_id": CurrentItem.CGROUP_ID,
    "netns": CurrentItem.NETNS,
}


def name(low: Lowering, node: ast.expr) -> Lowered:
    """A name: a local, else something of the enclosing scopes."""
    assert isinstance(node, ast.Name)
    local = low.locals.get(node.id)
    if node.id in low.poisoned:
        raise Rejected(None)
    if node.id in low.constants:
        return low.constants[node.id]
    if local is not None:
        if node.id not in low.assigned:
            raise _unassigned(low, node)
        return _at_once(low, node, read_local(low, node))
    if node.id in low.bound:
        bound = low.bound[node.id]
        if isinstance(bound, IntValue):
            return msgspec.structs.replace(bound, known=low.ranges.get(node.id))
        return bound
    if node.id in low.stored:
        raise _unassigned(low, node)
    found, value = low.outer.outer(node.id) if low.outer else (False, None)
    if found:
        return captured(low, node, value)
    raise low.rejection(node, f"no such name: '{node.id}'", _near_names(low, node.id))


def _at_once(low: Lowering, node: ast.Name, value: Lowered) -> Lowered:
    """A local's value; its texts are copied where the same statement changes the local."""
    if low.outer is None or (node.id, node.lineno, node.col_offset) not in low.outer.overtaken:
        return value
    return owned(low, node, value)


def _unassigned(low: Lowering, node: ast.Name) -> Rejected:
    return low.rejection(
        node,
        f"'{node.id}' may be unassigned here",
        "give it a value on every path that leads here",
    )


def read_local(low: Lowering, node: ast.Name) -> Lowered:
    """The value in a local's slot, described as it was stored."""
    local = low.locals[node.id]
    slot, shape = local.slot, local.shape
    if isinstance(shape, TupleValue | StructValue | EventValue):
        return load_compound(low, node, local, read_local)
    if isinstance(shape, StrValue):
        address = low.reg(PtrType(Space.STACK))
        low.add(SlotAddr(address, slot))
        return StrValue(address, shape.size)
    assert slot.type is not None
    value = low.reg(slot.type)
    low.add(SlotLoad(value, slot, span=low.span(node)))
    if isinstance(shape, IntValue):
        known = low.ranges.get(node.id)
        mixed = f"{low.prefix}{node.id} mixed" in low.wide
        return IntValue(value, shape.natural, shape.enum, shape.network, shape.name, known, mixed)
    held = "base" if isinstance(shape, PlaceValue) else "value"
    return msgspec.structs.replace(shape, **{held: value})


def captured(low: Lowering, node: ast.expr, value: object) -> PyValue:
    """A value of an enclosing scope: constants, classes, functions and modules are known."""
    if value is None or isinstance(value, int | str | bytes | type | Current | KernelEnum):
        return PyValue(value)
    if callable(value):
        return PyValue(value)
    if isinstance(value, State):
        return PyValue(value)
    if type(value).__name__ == "module" or _is_constant_sequence(value):
        return PyValue(value)
    kind = type(value).__name__
    what = ast.unparse(node)
    hint = (
        "capture integers, strings, IntEnum members, tuples, sets or ranges of them, "
        "event classes, or state such as Counter() and Hash[K, V]()"
    )
    if isinstance(value, float):
        hint = "the kernel has no floating point; scale to integers"
    elif type(value).__module__ != "builtins":
        hint = f"its attributes can be used: {what}.NAME"
    raise low.rejection(
        node,
        f"'{what}' is a {kind} of the enclosing scope; a probe can capture constants only",
        hint,
    )


def _is_constant_sequence(value: object) -> bool:
    if isinstance(value, tuple | set | frozenset):
        return all(
            each is None or isinstance(each, int | str | bytes) or _is_constant_sequence(each)
            for each in value
        )
    return isinstance(value, range)


def attribute(low: Lowering, node: ast.expr) -> Lowered:
    """``a.b``: a member, an item of ``current``, or a name in a module or class."""
    assert isinstance(node, ast.Attribute)
    base = namespace(low, node.value) or low.in_place(node.value)
    held = base.value if isinstance(base, PyValue) else None
    if isinstance(base, ElementValue | ItemValue) or isinstance(held, State):
        return low.states().attribute(low, node, base)
    if low.method(base, node.attr) is not None and not _in_struct(low, base):
        return MethodValue(base, node.attr)
    if isinstance(base, PyValue):
        return _attribute_of_object(low, node, base)
    if isinstance(base, StructValue | EventValue):
        return field(low, node, base)
    if isinstance(base, RecordValue):
        assert low.gate is not None
        found = low.gate.field(low, node, base)
        return _current(low, node) if found is None else found
    return _member(low, node, _place_of(low, node, base))


def _place_of(low: Lowering, node: ast.Attribute, base: Lowered) -> PlaceValue:
    if isinstance(base, PlaceValue):
        return base
    if isinstance(base, PtrValue):
        if not base.pointee:
            raise low.rejection(
                node,
                f"'{ast.unparse(node.value)}' points to void, so '.{node.attr}' means nothing",
                'say what it is: cast("struct NAME", pointer)',
            )
        root = low.btf.resolve(base.pointee)
        return PlaceValue(base.value, base.space, root, (), 0, root, "")
    if isinstance(base, StrValue):
        raise low.rejection(
            node,
            f"a string has no '{node.attr}' in a probe",
            "it has startswith and endswith; comparisons, slices, `in` and len() work too",
        )
    raise _without_members(low, node, base)


def _without_members(low: Lowering, node: ast.Attribute, base: Lowered) -> Rejected:
    what = f"'{ast.unparse(node.value)}' is {low.describe(base)}, which has no"
    if isinstance(base, IntValue | BoolValue):
        return low.rejection(
            node,
            f"{what} members",
            "use the number as it is; if it is an address, cast() makes a pointer of it",
        )
    known = sorted(name for owner, name in low.methods if owner is type(base))
    return low.rejection(
        node, f"{what} '.{node.attr}' in a probe", f"it has {', '.join(known)}" if known else ""
    )


def _attribute_of_object(low: Lowering, node: ast.Attribute, base: PyValue) -> Lowered:
    if isinstance(base.value, Current):
        return _current(low, node)
    if isinstance(base.value, KernelEnum):
        return enumerator(low, node, base.value)
    if type(base.value).__name__ == "StructName":  # from syscast.kernel import zone_type
        return enumerator(low, node, KernelEnum(str(base.value)))
    try:
        return captured(low, node, held_by(low, node, base.value))
    except AttributeError:
        raise low.rejection(node, f"{low.describe(base)} has no attribute '{node.attr}'") from None


def namespace(low: Lowering, node: ast.expr) -> PyValue | None:
    """The Python object behind a name or a chain of attributes, whose own attributes are meant.

    As a value it might be refused (`captured`); None for what only exists when the probe runs, and
    for data such as lists, which has no attributes of interest.
    """
    if isinstance(node, ast.Name):
        return _named_object(low, node.id)
    base = namespace(low, node.value) if isinstance(node, ast.Attribute) else None
    if base is None or type(base.value).__module__.partition(".")[0] == "syscast":
        return None
    assert isinstance(node, ast.Attribute)
    try:
        value = held_by(low, node, base.value)
    except AttributeError:
        return None
    return PyValue(value) if _has_attributes(value) else None


def _named_object(low: Lowering, label: str) -> PyValue | None:
    if label in low.locals or label in low.stored:
        return None
    bound = low.bound.get(label)
    if bound is not None:
        return bound if isinstance(bound, PyValue) else None
    found, value = low.outer.outer(label) if low.outer else (False, None)
    return PyValue(value) if found and _has_attributes(value) else None


def _has_attributes(value: object) -> bool:
    return (
        isinstance(value, type)
        or type(value).__module__ != "builtins"
        or callable(value)
        or (type(value).__name__ == "module")
    )


def held_by(low: Lowering, node: ast.Attribute, holder: object) -> object:
    """An attribute of a Python object, now; AttributeError where there is none."""
    label = node.attr
    if label.startswith("__") and not label.endswith("__") and low.outer and low.outer.owner:
        label = f"_{low.outer.owner.lstrip('_')}{label}"  # as Python does inside a class
    try:
        found: object = getattr(holder, label)
    except AttributeError:
        raise
    except Exception as error:  # noqa: BLE001  (a property of the user's can raise anything)
        raise low.rejection(
            node, f"reading '{ast.unparse(node)}' raised {type(error).__name__}: {error}"
        ) from None
    return found


def _in_struct(low: Lowering, base: Lowered) -> bool:
    """Whether a name behind a dot is a struct's member, and so no method of text."""
    if not isinstance(base, PlaceValue | PtrValue):
        return False
    type_id = base.type_id if isinstance(base, PlaceValue) else base.pointee
    struct = low.btf.type(low.btf.resolve(type_id)) if type_id else None
    return isinstance(struct, Struct)


def _member(low: Lowering, node: ast.Attribute, place: PlaceValue) -> Lowered:
    struct_id = low.btf.resolve(place.type_id)
    struct = low.btf.type(struct_id)
    if not isinstance(struct, Struct):
        detail = " (BTF knows its name only)" if isinstance(struct, Fwd) else ""
        raise low.rejection(
            node,
            f"'{ast.unparse(node.value)}' leads to {type_name(low.btf, struct_id)}, which has no members{detail}",
        )
    path = find_member(low.btf, struct_id, node.attr)
    if path is None:
        near = near_members(low.btf, struct_id, node.attr)
        hint = (
            f"did you mean {', '.join(near)}?"
            if near
            else f"see: syscast show '{type_name(low.btf, struct_id)}'"
        )
        raise low.rejection(
            node, f"{type_name(low.btf, struct_id)} has no member '{node.attr}'", hint
        )
    reached = PlaceValue(
        place.base,
        place.space,
        place.root,
        (*place.path, *path.access),
        place.bit_offset + path.bit_offset,
        path.type_id,
        f"{place.name}.{path.name}" if place.name else path.name,
    )
    return read_place(low, node, reached, path.bitfield_size)


def read_place(
    low: Lowering, node: ast.expr, place: PlaceValue, bitfield_size: int = 0
) -> Lowered:
    """Load a scalar or pointer; structs and arrays stay places."""
    type_id = low.btf.resolve(place.type_id)
    kind = low.btf.type(type_id)
    field = FieldRef(
        place.root, place.path, place.type_id, place.bit_offset, bitfield_size, place.name
    )
    site = low.site(node, "MemoryError")
    span = low.span(node)
    if isinstance(kind, Ptr):
        # What user memory points to is user memory too.
        pointer = low.reg(PtrType(place.space, kind.type_id))
        low.add(FieldLoad(pointer, place.base, field, site, span=span))
        text = _is_text(low, kind.type_id)
        return PtrValue(pointer, kind.type_id, place.space, text=text)
    natural = int_type(low, node, type_id)
    if natural is None:
        return place
    loaded = low.reg(natural)
    low.add(FieldLoad(loaded, place.base, field, site, span=span))
    return from_natural(low, node, loaded, place.type_id, place.name)


def from_natural(
    low: Lowering, node: ast.expr, loaded: Value, type_id: int, label: str
) -> Lowered:
    """A scalar just read, as the language sees it: bool, or I64/U64 in host byte order."""
    natural = loaded.type
    assert isinstance(natural, IntType)
    if natural == BOOL:
        return BoolValue(loaded)
    resolved = low.btf.resolve(type_id)
    kind = low.btf.type(resolved)
    if isinstance(kind, Int) and kind.bool:
        result = low.reg(BOOL)
        low.add(Convert(result, loaded, span=low.span(node)))
        return BoolValue(result)
    network = natural.bits > U8.bits and is_network_order(low, type_id)
    if network:
        swapped = low.reg(natural)
        low.add(ByteSwap(swapped, loaded, span=low.span(node)))
        loaded = swapped
    enum = resolved if isinstance(kind, Enum) else 0
    wide = low.widen(node, loaded, natural)
    return IntValue(wide, natural, enum, network, label, of_type(natural))


def int_type(low: Lowering, node: ast.expr, type_id: int) -> IntType | None:
    """The machine integer of a BTF scalar; None for structs and arrays."""
    kind = low.btf.type(low.btf.resolve(type_id))
    if isinstance(kind, Int):
        if kind.size > U64.bits // 8:
            raise low.rejection(
                node,
                f"{type_name(low.btf, type_id)} is wider than 64 bits",
                "a probe computes with 64 bits; read its halves",
            )
        return IntType(kind.size * 8, signed=kind.signed)
    if isinstance(kind, Enum):
        return IntType(kind.size * 8, signed=kind.signed)
    if isinstance(kind, Struct | Array):
        return None
    raise low.rejection(
        node,
        f"a value of type {type_name(low.btf, type_id)} cannot be read",
        "syscast show lists what it holds",
    )


def is_char(low: Lowering, type_id: int) -> bool:
    """Whether a type is a one-byte character of any signedness."""
    if not type_id:
        return False
    kind = low.btf.type(low.btf.resolve(type_id))
    return isinstance(kind, Int) and kind.size == 1 and not kind.bool


def _is_text(low: Lowering, type_id: int) -> bool:
    """Whether a member's pointer to characters points to text.

    ``char *`` and ``const unsigned char *`` (a dentry's name) do, ``unsigned char *`` (a packet's
    data) does not. Arguments are no members: theirs may point to a mere buffer.
    """
    if not is_char(low, type_id):
        return False
    kind = low.btf.type(type_id)
    while not isinstance(kind, Int):
        if isinstance(kind, ConstType):
            return True
        kind = low.btf.type(getattr(kind, "type_id", 0))
    return kind.name == "char"


def is_network_order(low: Lowering, type_id: int) -> bool:
    """Whether a type is one of the kernel's big-endian typedefs (__be16, __be32, __be64)."""
    while True:
        kind = low.btf.type(type_id)
        if isinstance(kind, Typedef) and kind.name in {"__be16", "__be32", "__be64"}:
            return True
        inner = getattr(kind, "type_id", 0)
        if isinstance(kind, Ptr) or not inner:
            return False
        type_id = inner


def address_of(low: Lowering, node: ast.expr, place: PlaceValue) -> Value:
    """The address of a place; nothing is read."""
    if not place.path:
        return place.base
    field = FieldRef(place.root, place.path, place.type_id, place.bit_offset, 0, place.name)
    result = low.reg(PtrType(place.space, place.type_id))
    low.add(FieldAddr(result, place.base, field, span=low.span(node)))
    return result


def subscript(low: Lowering, node: ast.Subscript, base: Lowered) -> Lowered:
    """``p[i]`` through a pointer, or ``a[i]`` of an array member."""
    held = base.value if isinstance(base, PyValue) else None
    if isinstance(held, State):
        return low.states().item(low, node, held)
    if isinstance(base, PlaceValue):
        kind = low.btf.type(low.btf.resolve(base.type_id))
        if isinstance(kind, Array):
            return _element(low, node, base, kind)
    if isinstance(base, PtrValue) and base.pointee:
        return _through(low, node, base.value, base.space, base.pointee)
    raise low.rejection(
        node, f"{low.describe(base)} has no elements", "arrays and pointers have: a[i]"
    )


def _element(low: Lowering, node: ast.Subscript, base: PlaceValue, array: Array) -> Lowered:
    known = low.known(node.slice, low.expr(node.slice))
    if isinstance(known, IntValue) and isinstance(known.value, Const):
        index = known.value.value
        if -array.count <= index < 0:
            index += array.count
        if index < 0 or (array.count and index >= array.count):
            raise low.rejection(
                node.slice,
                f"index {index} is outside the array of {array.count} elements",
                f"the last one is [{array.count - 1}]",
            )
        size = low.btf.size_of(array.element_id)
        element = PlaceValue(
            base.base,
            base.space,
            base.root,
            (*base.path, index),
            base.bit_offset + index * size * 8,
            array.element_id,
            f"{base.name}[{index}]",
        )
        return read_place(low, node, element)
    return _through(
        low, node, address_of(low, node.value, base), base.space, array.element_id, array.count
    )


def _through(
    low: Lowering, node: ast.Subscript, pointer: Value, space: Space, element: int, count: int = 0
) -> Lowered:
    index = low.integer(node.slice)
    if count:
        index = _from_end(low, node, index, count)
        inside, outside = low.builder.label("index"), low.builder.label("index.out")
        for predicate, bound in ((Predicate.SGE, 0), (Predicate.SLT, count)):
            cond = low.reg(BOOL)
            low.add(
                ExactCompare(cond, predicate, index.value, Const(bound, I64), span=low.span(node))
            )
            step = low.builder.label("index.step")
            low.add(Branch(cond, step, outside, span=low.span(node)))
            low.builder.start(step)
        low.jump(inside)
        low.builder.start(outside)
        low.add(Raise(low.site(node.slice, "IndexError"), span=low.span(node)))
        low.builder.start(inside)
    size = low.btf.size_of(element)
    delta = low.reg(I64)
    site = low.site(node.slice, "OverflowError")
    low.add(
        Checked(delta, CheckedOp.MUL, index.value, Const(size, I64), site, span=low.span(node))
    )
    address = low.reg(PtrType(space, element))
    low.add(Offset(address, pointer, delta, span=low.span(node)))
    return dereference(low, node, address, space, element)


def _from_end(low: Lowering, node: ast.Subscript, index: IntValue, count: int) -> IntValue:
    """A negative index counts from an array's end, as in Python."""
    if index.interval[0] >= 0:
        return index
    span = low.span(node)
    below, moved, position = low.reg(BOOL), low.reg(I64), low.reg(I64)
    low.add(ExactCompare(below, Predicate.SLT, index.value, Const(0, I64), span=span))
    low.add(Binary(moved, BinaryOp.ADD, index.value, Const(count, I64), span=span))
    low.add(Select(position, below, moved, index.value, span=span))
    return IntValue(position, I64)


def dereference(
    low: Lowering, node: ast.expr, address: Value, space: Space, type_id: int
) -> Lowered:
    """What stands at an address: a scalar is read, a struct is a place."""
    resolved = low.btf.resolve(type_id)
    kind = low.btf.type(resolved)
    if isinstance(kind, Struct | Array):
        return PlaceValue(address, space, resolved, (), 0, type_id, "")
    site = low.site(node, "MemoryError")
    if isinstance(kind, Ptr):
        pointer = low.reg(PtrType(space, kind.type_id))
        low.add(ScalarLoad(pointer, address, site, span=low.span(node)))
        return PtrValue(pointer, kind.type_id, space, text=_is_text(low, kind.type_id))
    natural = int_type(low, node, resolved)
    assert natural is not None
    loaded = low.reg(natural)
    low.add(ScalarLoad(loaded, address, site, span=low.span(node)))
    return from_natural(low, node, loaded, type_id, "")


def tuple_display(low: Lowering, node: ast.expr) -> Lowered:
    """``a, b``."""
    assert isinstance(node, ast.Tuple)
    for each in node.elts:
        if isinstance(each, ast.Starred):
            raise low.rejection(each, "`*` is not part of the probe language")
    return TupleValue(tuple(low.expr(each) for each in node.elts))


def _current(low: Lowering, node: ast.Attribute) -> Lowered:
    span = low.span(node)
    item = _ITEMS.get(node.attr)
    if item is not None:
        kind = U64 if item is CurrentItem.CGROUP_ID else I64
        natural = U64 if kind == U64 else IntType(32, signed=False)
        result = low.reg(kind)
        low.add(CurrentOp(result, item, low.site(node, "MemoryError"), span=span))
        return IntValue(result, natural, name=node.attr)
    if node.attr == "comm":
        _, address = low.buffer("comm", COMM_SIZE)
        low.add(CurrentComm(address, span=span))
        return StrValue(address, COMM_SIZE)
    if node.attr in {"task", "parent"}:
        task_id = low.btf.find("task_struct", Struct)
        if task_id is None:
            raise low.rejection(node, "this kernel's BTF has no struct task_struct")
        task = low.reg(PtrType(Space.KERNEL, task_id))
        low.add(CurrentOp(task, CurrentItem.TASK, low.site(node, "MemoryError"), span=span))
        pointer = PtrValue(task, task_id, Space.KERNEL)
        if node.attr == "task":
            return pointer
        path = find_member(low.btf, task_id, "real_parent")
        if path is None:
            raise low.rejection(
                node, "struct task_struct has no member real_parent in this kernel"
            )
        place = PlaceValue(
            task, Space.KERNEL, task_id, path.access, path.bit_offset, path.type_id, "real_parent"
        )
        return read_place(low, node, place)
    known = ", ".join([*_ITEMS, "comm", "task", "parent"])
    raise low.rejection(node, f"current has no '{node.attr}'", f"it has {known}")


def _near_names(low: Lowering, wanted: str) -> str:
    import difflib  # noqa: PLC0415  (only messages need it)

    arguments = [each.name for each in low.context.arguments if each.name]
    if low.context.returns is not None:
        arguments.append("ret")
    typed_in = low.text.file.startswith(("<expression ", "<--"))
    if typed_in and (wanted in _ITEMS or wanted == "comm"):
        return f"did you mean current.{wanted}?"
    if typed_in and low.context.returns is not None:
        arguments.append("duration")
    known = {*low.locals, *(arguments if typed_in else ())}
    if low.outer is not None:
        known |= low.outer.names()
    near = difflib.get_close_matches(wanted, sorted(known), 3)
    if near:
        return f"did you mean {', '.join(near)}?"
    if typed_in:
        return f"the target has {', '.join(arguments) or 'no arguments'}; and there is current"
    return "a probe sees its parameters, its own variables, and names of the scopes around it"
