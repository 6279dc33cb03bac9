"""A program as text: stable, one op a line, for golden files, ``explain`` and bug reports.

Every op reads ``%result: type = name operand ... member=value``; members with their default value
are left out. A span that differs from the line before is given behind ``;``.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from syscast.ir.ops import FieldInit, FieldRef, Op
from syscast.ir.types import Const, PtrType, Slot
from syscast.ir.walk import result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.diagnostics import Span
    from syscast.ir.program import Function, Program
    from syscast.ir.types import IrType
    from syscast.spec.objectspec import MapSpec

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_POSITIONAL = frozenset(
    {
        "op",
        "pred",
        "a",
        "b",
        "cond",
        "ptr",
        "value",
        "slot",
        "base",
        "field",
        "dst",
        "src",
        "delta",
    }
    | {"name", "args", "map", "function", "item", "index", "schema", "fields", "target", "kind"}
    | {"then", "other"}
)


def program_text(program: Program) -> str:
    """The whole program, ending in a newline."""
    lines = [f"program {program.name}" + (f" arch={program.arch}" if program.arch else "")]
    for schema in program.schemas:
        fields = ", ".join(f"{f.name}: {f.kind}@{f.offset}+{f.size}" for f in schema.fields)
        lines.append(f"schema {schema.id} {schema.name} size={schema.size} ({fields})")
    lines += [
        f"site {site.id} {site.exception} {site.file}:{site.line}:{site.column}"
        for site in program.sites
    ]
    lines += [_map_text(each) for each in program.maps]
    if program.data:
        lines.append(f"data {len(program.data)} {program.data.hex().rstrip('0') or '0'}")
    for function in program.functions:
        lines += ["", *function_lines(function)]
    return "\n".join(lines) + "\n"


def function_lines(function: Function) -> Iterator[str]:
    """One function, line by line."""
    yield _head(function)
    for slot in function.slots:
        yield f"  slot {slot}: {_slot_type(slot)}{' kept' if slot.kept else ''}"
    last: Span | None = None
    limits = {loop.head: f"  ; loop, at most {loop.limit} rounds" for loop in function.loops}
    for block in function.blocks:
        yield f"{block.label}:{limits.get(block.label, '')}"
        for op in block.ops:
            where = f"  ; {op.span}" if op.span is not None and op.span != last else ""
            last = op.span or last
            yield f"  {op_text(op)}{where}"


def op_text(op: Op) -> str:
    """One op, without its span."""
    words = [_WORD_START.sub("_", type(op).__name__).lower()]
    defaults = dict(
        zip(reversed(op.__struct_fields__), reversed(op.__struct_defaults__), strict=False)
    )
    for name in op.__struct_fields__:
        if name in {"span", "result"}:
            continue
        value: object = getattr(op, name)
        if name in defaults and defaults[name] == value:
            continue
        text = _value_text(value)
        words.append(text if name in _POSITIONAL else f"{name}={text}")
    made = result(op)
    return (f"{made}: {type_text(made.type)} = " if made is not None else "") + " ".join(words)


def type_text(type_: IrType) -> str:
    """A type; pointers as ``ptr<space pointee>``."""
    return str(type_)


def _head(function: Function) -> str:
    context = function.context
    words = [f"function {function.name}"]
    if context is None:
        parameters = ", ".join(f"{each}: {each.type}" for each in function.parameters)
        return f"{words[0]}({parameters}) -> {function.returns or 'none'}"
    words += [function.role, f"section={context.section}", f"id={function.id}"]
    if function.pair:
        words.append(f"pair={function.pair}")
    if function.filtered:
        words.append("filtered")
    if context.direct_reads:
        words.append("direct")
    if context.syscall >= 0:
        words.append(f"syscall={context.syscall}")
    return " ".join(words)


def _slot_type(slot: Slot) -> str:
    return f"bytes[{slot.size}]" if slot.type is None else type_text(slot.type)


def _map_text(spec: MapSpec) -> str:
    return f"map {spec.name} {spec.type} key={spec.key_size} value={spec.value_size} max={spec.max_entries}"


def _value_text(value: object) -> str:
    match value:
        case Const(value=0, type=PtrType()):
            text = "null"
        case Enum():
            text = str(value.value)
        case FieldRef():
            text = _field_text(value)
        case FieldInit():
            text = f"{value.name}={_value_text(value.value)}"
        case tuple():
            text = "(" + ", ".join(_value_text(each) for each in value) + ")"
        case bytes():
            text = repr(value)
        case _:
            text = str(value)
    return text


def _field_text(field: FieldRef) -> str:
    path = ":".join(str(each) for each in field.path)
    bits = f" bits={field.bitfield_size}" if field.bitfield_size else ""
    return f"[{field.root}:{path} {field.name or '?'} @{field.bit_offset}{bits}]"
