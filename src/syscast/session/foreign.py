"""Objects that others made: what their events look like, read from their own BTF.

A ring carries bytes; nothing in a BPF object must say which struct they are. Three conventions are
known: the user names the struct; a global pointer to it keeps it in the BTF (as bpf2go asks for:
``const struct event *unused __attribute__((unused));``); or there is one struct named ``event``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.btf.layout import FieldPath, members
from syscast.btf.lookup import Btf
from syscast.btf.render import type_name
from syscast.btf.types import Array, Enum, Int, Ptr, Struct, Typedef, Var
from syscast.errors import FormatError
from syscast.spec.meta import EVENTS_MAP, FieldMeta, ObjectMeta, ProgramMeta, SchemaMeta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.spec.objectspec import ObjectSpec

_RINGS = {"ringbuf", "perf_event_array"}
_IPV6 = 16


def described(spec: ObjectSpec, event: str = "") -> ObjectSpec:
    """The object with the description that syscast's own objects bring along.

    Args:
        spec: An object without the section ``.syscast``.
        event: Name of the struct that its ring carries; found by convention if empty.

    Raises:
        FormatError: It has no ring or no BTF, or its event's type is not to be found.
    """
    rings = [each.name for each in spec.maps if each.type in _RINGS]
    if len(rings) != 1:
        raise FormatError(
            f"object '{spec.name}': read events: it has {len(rings)} rings "
            f"({', '.join(rings) or 'no ring buffer or perf event array'}), one is needed"
        )
    if not spec.btf:
        raise FormatError(
            f"object '{spec.name}': read events: it has no BTF (compile it with clang -g)"
        )
    btf = Btf.from_bytes(spec.btf, name=spec.name)
    struct_id = _event_struct(spec, btf, event)
    schema = _schema(spec, btf, struct_id)
    programs = tuple(
        ProgramMeta(
            each.name,
            number,
            each.target or each.name,
            each.section.partition("/")[0],
            each.target,
        )
        for number, each in enumerate(spec.programs)
    )
    maps = tuple(
        replace(each, name=EVENTS_MAP) if each.name == rings[0] else each for each in spec.maps
    )
    renamed = tuple(
        replace(
            each,
            map_refs=tuple(
                replace(ref, map=EVENTS_MAP) if ref.map == rings[0] else ref
                for ref in each.map_refs
            ),
        )
        for each in spec.programs
    )
    meta = ObjectMeta(schemas=(schema,), programs=programs, foreign=True)
    return replace(spec, maps=maps, programs=renamed, meta=meta)


def _event_struct(spec: ObjectSpec, btf: Btf, event: str) -> int:
    wanted = event.removeprefix("struct ").strip()
    if wanted:
        found = btf.find(wanted, Struct)
        if found is None:
            near = btf.near(wanted, Struct)
            hint = f" (did you mean {', '.join(near)}?)" if near else ""
            raise FormatError(
                f"object '{spec.name}': read events: it has no struct '{wanted}'{hint}"
            )
        return found
    pointed = sorted(set(_pointed_to(btf)))
    if len(pointed) == 1:
        return pointed[0]
    named = btf.find("event", Struct)
    if named is not None and not pointed:
        return named
    names = ", ".join(type_name(btf, each) for each in pointed)
    raise FormatError(
        f"object '{spec.name}': read events: "
        + (
            f"several structs may be the event: {names}"
            if pointed
            else "nothing says which struct the event is"
        )
        + " (name it with --event)"
    )


def _pointed_to(btf: Btf) -> Iterator[int]:
    """Structs that a global variable points to."""
    for type_id in range(btf.start_id, len(btf)):
        variable = btf.type(type_id)
        if isinstance(variable, Var):
            pointer = btf.type(btf.resolve(variable.type_id))
            if isinstance(pointer, Ptr) and pointer.type_id:
                target = btf.resolve(pointer.type_id)
                if isinstance(btf.type(target), Struct):
                    yield target


def _schema(spec: ObjectSpec, btf: Btf, struct_id: int) -> SchemaMeta:
    struct = btf.type(struct_id)
    assert isinstance(struct, Struct)
    fields: list[FieldMeta] = []
    end = 0
    for field in sorted(_fields(btf, struct_id), key=lambda each: each.offset):
        if field.offset >= end:  # of a union's members, the first stands for all
            fields.append(field)
            end = field.offset + field.size
    if not fields:
        raise FormatError(f"object '{spec.name}': read events: struct {struct.name} has no fields")
    return SchemaMeta(0, struct.name, struct.size, tuple(fields))


def _fields(btf: Btf, struct_id: int, prefix: str = "", base: int = 0) -> Iterator[FieldMeta]:
    for member in members(btf, struct_id):
        name = prefix + member.name.replace(".", "_")
        kind = btf.type(btf.resolve(member.type_id))
        if isinstance(kind, Struct) and kind.name != "in6_addr":
            yield from _fields(btf, member.type_id, f"{name}_", base + member.offset)
        elif not member.bitfield_size:
            field = _field(btf, member, name, base + member.offset)
            if field is not None:
                yield field


def _field(btf: Btf, member: FieldPath, name: str, offset: int) -> FieldMeta | None:
    kind = btf.type(btf.resolve(member.type_id))
    size = btf.size_of(member.type_id)
    if isinstance(kind, Int):
        if kind.bool:
            return FieldMeta(name, "bool", offset, 1)
        if _big_endian(btf, member.type_id) and size == 4:
            return FieldMeta(name, "ipv4", offset, size)
        return FieldMeta(name, "int", offset, size, signed=kind.signed)
    if isinstance(kind, Enum):
        labels = {each.value: each.name for each in kind.values}
        return FieldMeta(name, "enum", offset, size, signed=kind.signed, labels=labels)
    if isinstance(kind, Ptr):
        return FieldMeta(name, "pointer", offset, size)
    return _block(btf, kind, name, offset, size)


def _block(btf: Btf, kind: object, name: str, offset: int, size: int) -> FieldMeta | None:
    if not size:
        return None  # a flexible array: its length is in no type
    if isinstance(kind, Array):
        element = btf.type(btf.resolve(kind.element_id))
        text = isinstance(element, Int) and element.size == 1 and (element.signed or element.char)
        return FieldMeta(name, "str" if text else "bytes", offset, size)
    return FieldMeta(name, "ipv6" if size == _IPV6 else "bytes", offset, size)


def _big_endian(btf: Btf, type_id: int) -> bool:
    kind = btf.type(type_id)
    while isinstance(kind, Typedef):
        if kind.name == "__be32":
            return True
        kind = btf.type(kind.type_id)
    return False
