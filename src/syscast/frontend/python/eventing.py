"""Events: lowering ``Event(field=...)`` and inferring fields where no class declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import Array, Enum, Struct
from syscast.events.event import fields_of
from syscast.events.fields import MISSING
from syscast.frontend.python.context import Rejected
from syscast.frontend.python.members import address_of, is_char
from syscast.frontend.python.values import (
    BoolValue,
    EventValue,
    IntValue,
    Lowered,
    PlaceValue,
    PtrValue,
    PyValue,
    StrValue,
)
from syscast.ir.ops import (
    ByteSwap,
    CheckedConvert,
    Convert,
    CopyBytes,
    Emit,
    FieldInit,
    Fill,
    ReadBytes,
    ReadStr,
    SlotLoad,
    Store,
)
from syscast.ir.types import I64, U8, U16, U32, U64, Const, IntType, Value
from syscast.spec.meta import FieldMeta, SchemaMeta

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable

    from syscast.events.event import Event
    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import Slot

AF_INET, AF_INET6 = 2, 10
IPV6_SIZE = 16
INFERRED_STR = 128
"""Capacity of a string field that no class declares, bytes with the NUL."""

ZERO_ON_FAULT = -1
"""Site of a read that gives zeros where it fails, and is not counted."""

_MAX_BYTES = 256


def construct(low: Lowering, node: ast.Call, cls: type[Event]) -> EventValue:
    """Lower ``SomeEvent(a=..., b=...)``; fields are evaluated in the order written."""
    schema = low.unit.schema_of(cls)
    if node.args:
        names = ", ".join(f"{field.name}=..." for field in schema.fields)
        raise low.rejection(
            node.args[0], "an event's fields are given by name", f"write {cls.__name__}({names})"
        )
    wanted = {field.name: field for field in schema.fields}
    given, failed = _given(low, node, cls, wanted)
    for each in fields_of(cls):
        if each.name not in given and each.default is not MISSING:
            given[each.name] = node, PyValue(each.default)
    missing = [name for name in wanted if name not in given and name not in failed]
    if missing:
        raise low.rejection(
            node,
            f"event {cls.__name__} lacks {', '.join(missing)}",
            f"add {', '.join(f'{name}=...' for name in missing)}, or give the field a default in the class",
        )
    # As in Python, all values are there before the first of them is made to fit its field.
    stored: dict[str, Value] = {}
    for each in fields_of(cls):
        if each.name in given:
            with low.apart(failed, each.name):
                stored[each.name] = store(
                    low, given[each.name][0], wanted[each.name], given[each.name][1]
                )
    if failed:
        raise Rejected(None)
    return EventValue(
        schema.id, tuple((field.name, stored[field.name]) for field in schema.fields)
    )


def _given(
    low: Lowering, node: ast.Call, cls: type[Event], wanted: dict[str, FieldMeta]
) -> tuple[dict[str, tuple[ast.expr, Lowered]], set[str]]:
    """The values by field, and the fields whose values were rejected, each for itself."""
    given: dict[str, tuple[ast.expr, Lowered]] = {}
    failed: set[str] = set()
    for keyword in node.keywords:
        with low.apart(failed, keyword.arg or ""):
            field = _field(low, keyword, cls, wanted)
            given[field.name] = keyword.value, low.expr(keyword.value)
    if failed - wanted.keys():
        raise Rejected(None)
    return given, failed


def _field(
    low: Lowering, keyword: ast.keyword, cls: type[Event], wanted: dict[str, FieldMeta]
) -> FieldMeta:
    """The field that a keyword names."""
    if keyword.arg is None:
        raise low.rejection(
            keyword.value, "`**` is not part of the probe language", "name each field"
        )
    field = wanted.get(keyword.arg)
    if field is None:
        raise low.rejection(
            keyword,
            f"event {cls.__name__} has no field '{keyword.arg}'",
            _which_field(keyword.arg, wanted),
        )
    return field


def _which_field(name: str, wanted: Iterable[str]) -> str:
    from syscast.btf.near import nearest  # noqa: PLC0415  (only messages need it)

    near = nearest(name, wanted, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}it has {', '.join(wanted)}"


def send(low: Lowering, node: ast.AST, event: EventValue) -> None:
    """Emit a lowered event."""
    fields = tuple(FieldInit(name, value) for name, value in event.fields)
    schema = event.schema
    if low.number is not None and low.inferred is None:
        schema, name = low.unit.with_function(schema)
        fields = (*fields, FieldInit(name, function_number(low, low.number, node)))
    refused = low.gate.admit(low, node, event) if low.gate is not None else ""
    low.add(Emit(schema, fields, span=low.span(node)))
    if refused:
        low.jump(refused)
        low.builder.start(refused)


def function_number(low: Lowering, slot: Slot, node: ast.AST) -> Value:
    """Which of its many targets the program runs at."""
    assert slot.type is not None
    held, number = low.reg(slot.type), low.reg(U64)
    low.add(SlotLoad(held, slot, span=low.span(node)))
    low.add(Convert(number, held, span=low.span(node)))
    return number


def store(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    """Convert a value to a field's type: an integer register, or the address of a buffer."""
    return _STORES[field.kind](low, node, field, value)


def _store_int(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    if isinstance(value, PtrValue) and field.size == U64.bits // 8:
        raise low.rejection(
            node,
            f"field '{field.name}' is an integer, this is {low.describe(value)}",
            "declare it as sc.Pointer",
        )
    number = low.integer(node, value).value
    return fit(low, node, number, IntType(field.size * 8, signed=field.signed), field.name)


def fit(low: Lowering, node: ast.expr, number: Value, type_: IntType, name: str) -> Value:
    """An integer in a field's type; OverflowError, here or at run time, where it does not fit."""
    if isinstance(number, Const):
        low_end = -(1 << (type_.bits - 1)) if type_.signed else 0
        if not low_end <= number.value < low_end + (1 << type_.bits):
            raise low.rejection(
                node,
                f"{number.value} does not fit field '{name}' of type {type_}",
                "declare a wider field, such as u32 or i64",
            )
        return Const(number.value, type_)
    result = low.reg(type_)
    low.add(CheckedConvert(result, number, low.site(node, "OverflowError"), span=low.span(node)))
    return result


def _store_bool(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    del field
    truth = low.truth(node, value)
    if isinstance(truth, Const):
        return Const(truth.value, U8)
    result = low.reg(U8)
    low.add(Convert(result, truth, span=low.span(node)))
    return result


def _store_pointer(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    if isinstance(value, PyValue) and value.value is None:
        return Const(0, U64)
    if isinstance(value, PlaceValue):
        value = PtrValue(address_of(low, node, value), value.type_id, value.space)
    if isinstance(value, PtrValue):
        result = low.reg(U64)
        low.add(Convert(result, value.value, span=low.span(node)))
        return result
    return fit(low, node, low.integer(node, value).value, U64, field.name)


def _store_port(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    return fit(low, node, low.integer(node, value).value, U16, field.name)


def _store_ipv4(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    host = fit(low, node, low.integer(node, value).value, U32, field.name)
    if isinstance(host, Const):
        return Const(int.from_bytes(host.value.to_bytes(4, "big"), "little"), U32)
    network = low.reg(U32)
    low.add(ByteSwap(network, host, span=low.span(node)))
    return network


def _ipv6_source(
    low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered
) -> PlaceValue | PtrValue:
    size = 0
    if isinstance(value, PlaceValue):
        size = low.btf.size_of(value.type_id)
    elif isinstance(value, PtrValue) and value.pointee:
        size = low.btf.size_of(value.pointee)
    if size != IPV6_SIZE or not isinstance(value, PlaceValue | PtrValue):
        raise low.rejection(
            node,
            f"field '{field.name}' is an IPv6 address, this is {low.describe(value)}",
            "give it a struct in6_addr, such as sk.skc_v6_rcv_saddr",
        )
    return value


def _store_ipv6(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    source = _ipv6_source(low, node, field, value)
    _, address = low.buffer(field.name, IPV6_SIZE)
    read_bytes(low, node, address, IPV6_SIZE, source)
    return address


def _store_ip(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    """u16 family, u16 zero, 16 bytes of address; see spec.meta.FieldMeta."""
    _, address = low.buffer(field.name, field.size)
    low.add(Fill(address, field.size, span=low.span(node)))
    if isinstance(value, PlaceValue | PtrValue):
        source = _ipv6_source(low, node, field, value)
        _, whole = low.buffer(field.name, IPV6_SIZE)
        read_bytes(low, node, whole, IPV6_SIZE, source)
        low.add(Store(address, Const(AF_INET6, U16), 0, span=low.span(node)))
        low.add(CopyBytes(address, whole, IPV6_SIZE, dst_offset=4, span=low.span(node)))
    else:
        network = _store_ipv4(low, node, field, value)
        low.add(Store(address, Const(AF_INET, U16), 0, span=low.span(node)))
        low.add(Store(address, network, 4, span=low.span(node)))
    return address


def read_bytes(
    low: Lowering, node: ast.expr, to: Value, size: int, source: PlaceValue | PtrValue
) -> None:
    """Read memory behind a pointer or place into a buffer."""
    pointer = address_of(low, node, source) if isinstance(source, PlaceValue) else source.value
    low.add(ReadBytes(to, size, pointer, low.site(node, "MemoryError"), span=low.span(node)))


def _store_bytes(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    _, address = low.buffer(field.name, field.size)
    if isinstance(value, PyValue) and isinstance(value.value, bytes):
        if len(value.value) > field.size:
            raise low.rejection(
                node,
                f"{len(value.value)} bytes do not fit field '{field.name}' of {field.size}",
                f"declare it as Annotated[bytes, {len(value.value)}]",
            )
        _literal(low, node, address, value.value, field.size)
        return address
    if not isinstance(value, PlaceValue | PtrValue):
        raise low.rejection(
            node,
            f"field '{field.name}' is bytes, this is {low.describe(value)}",
            "give it an array of bytes, or declare the field as what it is",
        )
    if isinstance(value, PlaceValue) and low.btf.size_of(value.type_id) < field.size:
        have = low.btf.size_of(value.type_id)
        raise low.rejection(
            node,
            f"field '{field.name}' has {field.size} bytes, {low.describe(value)} only {have}",
            f"declare it as Annotated[bytes, {have}]",
        )
    read_bytes(low, node, address, field.size, value)
    return address


def _store_str(low: Lowering, node: ast.expr, field: FieldMeta, value: Lowered) -> Value:
    text = as_text(low, node, value, field.size)
    if text is None:
        raise low.rejection(
            node,
            f"field '{field.name}' is a string, this is {low.describe(value)}",
            "read it with user_str(pointer) or kernel_str(pointer)",
        )
    if text.size == field.size:
        return text.address
    _, address = low.buffer(field.name, field.size)
    low.add(Fill(address, field.size, span=low.span(node)))
    size = min(text.size, field.size)
    low.add(CopyBytes(address, text.address, size, span=low.span(node)))
    if size < text.size:
        low.add(Store(address, Const(0, U8), size - 1, span=low.span(node)))
    return address


def as_text(low: Lowering, node: ast.expr, value: Lowered, size: int) -> StrValue | None:
    """A string in a buffer of ``size`` bytes, from whatever holds text; None if nothing does."""
    if isinstance(value, StrValue):
        return value
    if isinstance(value, PyValue) and isinstance(value.value, str | bytes):
        raw = (
            value.value.encode(errors="surrogateescape")
            if isinstance(value.value, str)
            else value.value
        )
        if len(raw) >= size or b"\0" in raw:
            raise low.rejection(
                node,
                f"{len(raw)} bytes and the NUL do not fit the field's {size}",
                f"declare it as Annotated[str, {len(raw) + 1}]",
            )
        _, address = low.buffer("text", size)
        _literal(low, node, address, raw, size)
        return StrValue(address, size)
    if isinstance(value, PtrValue) and (value.text or is_char(low, value.pointee)):
        capacity = min(size, value.array + 1) if value.array else size
        return read_text(low, node, value.value, size, capacity)
    if isinstance(value, PlaceValue):
        kind = low.btf.type(low.btf.resolve(value.type_id))
        if isinstance(kind, Array) and is_char(low, kind.element_id):
            capacity = min(size, kind.count + 1) if kind.count else size
            return read_text(low, node, address_of(low, node, value), size, capacity)
    return None


def read_text(
    low: Lowering,
    node: ast.expr,
    pointer: Value,
    size: int,
    capacity: int = 0,
) -> StrValue:
    """Read a NUL-terminated string into a new buffer of ``size`` bytes."""
    _, address = low.buffer("text", size)
    if capacity and capacity < size:
        low.add(Fill(address, size, span=low.span(node)))
    length = low.reg(I64)
    site = ZERO_ON_FAULT if low.lenient else low.site(node, "MemoryError")
    low.add(ReadStr(length, address, capacity or size, pointer, site, span=low.span(node)))
    return StrValue(address, size)


def _literal(low: Lowering, node: ast.expr, address: Value, raw: bytes, size: int) -> None:
    low.add(Fill(address, size, span=low.span(node)))
    for offset, byte in enumerate(raw):
        low.add(Store(address, Const(byte, U8), offset, span=low.span(node)))


_STORES: dict[str, Callable[[Lowering, ast.expr, FieldMeta, Lowered], Value]] = {
    "int": _store_int,
    "enum": _store_int,
    "bool": _store_bool,
    "pointer": _store_pointer,
    "port": _store_port,
    "ipv4": _store_ipv4,
    "ipv6": _store_ipv6,
    "ip": _store_ip,
    "str": _store_str,
    "bytes": _store_bytes,
}


# ---------------------------------------------------------------- fields that nobody declared


def infer(low: Lowering, name: str, value: Lowered) -> FieldMeta | None:
    """The field (at offset 0) that shows a value best; None where none can."""
    if isinstance(value, IntValue):
        return _infer_int(low, name, value)
    if isinstance(value, PlaceValue):
        return _infer_place(low, name, value)
    if isinstance(value, PyValue):
        held = value.value
        size = len(held.encode(errors="surrogateescape")) + 1 if isinstance(held, str) else 0
        return FieldMeta(name, "str", 0, size) if size else None
    kind, size = _simple(value)
    return FieldMeta(name, kind, 0, size) if size else None


def _simple(value: Lowered) -> tuple[str, int]:
    if isinstance(value, BoolValue):
        return "bool", 1
    if isinstance(value, StrValue):
        return "str", value.size
    if isinstance(value, PtrValue):
        return ("str", INFERRED_STR) if value.text else ("pointer", 8)
    return "", 0


def _infer_int(low: Lowering, name: str, value: IntValue) -> FieldMeta:
    natural = value.natural
    size = natural.bits // 8
    if value.enum:
        kind = low.btf.type(value.enum)
        assert isinstance(kind, Enum)
        labels = {each.value: each.name for each in reversed(kind.values)}
        return FieldMeta(name, "enum", 0, size, signed=natural.signed, labels=labels)
    if value.network and natural.bits == U32.bits and "addr" in value.name:
        return FieldMeta(name, "ipv4", 0, size)
    return FieldMeta(name, "int", 0, size, signed=natural.signed)


def _infer_place(low: Lowering, name: str, value: PlaceValue) -> FieldMeta | None:
    kind = low.btf.type(low.btf.resolve(value.type_id))
    if isinstance(kind, Struct):
        return FieldMeta(name, "ipv6", 0, IPV6_SIZE) if kind.name == "in6_addr" else None
    if not isinstance(kind, Array):
        return None
    size = low.btf.size_of(value.type_id)
    if is_char(low, kind.element_id):
        return FieldMeta(name, "str", 0, min(size, _MAX_BYTES) if size else INFERRED_STR)
    return FieldMeta(name, "bytes", 0, size) if 0 < size <= _MAX_BYTES else None


def layout(number: int, name: str, fields: Iterable[FieldMeta]) -> SchemaMeta:
    """Put inferred fields one behind the other, each aligned to its size."""
    placed: list[FieldMeta] = []
    offset = 0
    for field in fields:
        align = _alignment(field)
        offset = (offset + align - 1) // align * align
        placed.append(
            FieldMeta(
                field.name,
                field.kind,
                offset,
                field.size,
                signed=field.signed,
                labels=field.labels,
            )
        )
        offset += field.size
    return SchemaMeta(number, name, (offset + 7) // 8 * 8, tuple(placed))


def _alignment(field: FieldMeta) -> int:
    if field.kind in {"str", "bytes"}:
        return 1
    return {"ipv6": 4, "ip": 4}.get(field.kind, field.size)
