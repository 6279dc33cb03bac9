"""What a CO-RE relocation points at: in the object's own types, and in a kernel's.

The terms are those of libbpf's ``relo_core.c``: a spec is a root type and a list of accessors, the
named members and array elements on the way to a field. Anonymous structs and unions leave no
accessor, so a field may move in and out of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.index import essential
from syscast.btf.record import Record
from syscast.btf.relo_types import fields_are_compatible, name_of
from syscast.btf.types import Array, Enum, Struct
from syscast.errors import FormatError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf

_KEYWORDS: dict[type, str] = {Struct: "struct ", Enum: "enum "}
MAX_LENGTH = 64  # BPF_CORE_SPEC_MAX_LEN


class Accessor(Record):
    """A step: member ``index`` of struct ``type_id``, or element ``index`` of that type.

    ``name`` is None for an array element.
    """

    type_id: int
    index: int
    name: str | None


class Spec(Record):
    """A root type and the way to one of its fields or enumerators.

    ``raw`` numbers every step, anonymous ones too. A spec of a type alone has no accessors.
    """

    btf: Btf
    root_id: int
    raw: tuple[int, ...] = ()
    accessors: tuple[Accessor, ...] = ()
    bit_offset: int = 0

    def __str__(self) -> str:
        """The spec as C would write it: ``struct sock.__sk_common.skc_num``."""
        root = self.btf.type(self.root_id)
        text = f"{_KEYWORDS.get(type(root), '')}{name_of(root)}"
        for number, accessor in enumerate(self.accessors):
            if accessor.name is not None:
                text += f".{accessor.name}"
            elif number or accessor.index:
                text += f"[{accessor.index}]"
        return text


def parse_field(btf: Btf, root_id: int, access: str) -> Spec:
    """Follow an access string such as ``0:2:1`` through the local types.

    Raises:
        FormatError: It does not fit the types.
    """
    raw = _parse_access(access)
    type_id = btf.resolve(root_id)
    accessors = [Accessor(type_id, raw[0], None)]
    bit_offset = raw[0] * btf.size_of(type_id) * 8
    for index in raw[1:]:
        type_id = btf.resolve(type_id)
        found = btf.type(type_id)
        if isinstance(found, Struct):
            if index >= len(found.members):
                raise FormatError(f"btf relocation '{access}': parse: member {index} is not there")
            member = found.members[index]
            bit_offset += member.bit_offset
            if member.name:
                accessors.append(Accessor(type_id, index, member.name))
            type_id = member.type_id
        elif isinstance(found, Array):
            if index >= found.count and not _is_flexible(btf, accessors[-1], found):
                raise FormatError(
                    f"btf relocation '{access}': parse: element {index} is not there"
                )
            type_id = btf.resolve(found.element_id)
            accessors.append(Accessor(type_id, index, None))
            bit_offset += index * btf.size_of(type_id) * 8
        else:
            raise FormatError(f"btf relocation '{access}': parse: it leads into a plain type")
    return Spec(btf, root_id, raw, tuple(accessors), bit_offset)


def parse_enumerator(btf: Btf, root_id: int, access: str) -> Spec:
    """Find the enumerator that an access string numbers in the local enum.

    Raises:
        FormatError: It is not there.
    """
    raw = _parse_access(access)
    type_id = btf.resolve(root_id)
    found = btf.type(type_id)
    if not isinstance(found, Enum) or len(raw) != 1 or raw[0] >= len(found.values):
        raise FormatError(f"btf relocation '{access}': parse: no such enumerator")
    accessor = Accessor(type_id, raw[0], found.values[raw[0]].name)
    return Spec(btf, root_id, raw, (accessor,))


def match_enumerator(local: Spec, target: Btf, root_id: int) -> Spec | None:
    """Find the enumerator of the same name, but for its flavour, in a target's enum."""
    type_id = target.resolve(root_id)
    found = target.type(type_id)
    if not isinstance(found, Enum):
        return None
    wanted = essential((local.accessors[0].name or "").encode())
    for index, value in enumerate(found.values):
        if essential(value.name.encode()) == wanted:
            accessor = Accessor(type_id, index, value.name)
            return Spec(target, root_id, (index,), (accessor,))
    return None


def match_field(local: Spec, target: Btf, root_id: int) -> Spec | None:
    """Walk the accessors of a local spec through a target type, by name.

    Returns:
        The target's spec, or None where a member is missing or of another nature.
    """
    spec = Spec(target, root_id)
    type_id = root_id
    for number, accessor in enumerate(local.accessors):
        type_id = target.resolve(type_id)
        if accessor.name is not None:
            found = _match_member(local.btf, accessor, spec, type_id, set())
            if found is None:
                return None
            spec, type_id = found
            continue
        if number:
            array = target.type(type_id)
            if not isinstance(array, Array):
                return None
            if accessor.index >= array.count and not _is_flexible(
                target, spec.accessors[-1], array
            ):
                return None
            type_id = target.resolve(array.element_id)
        offset = accessor.index * target.size_of(type_id) * 8
        spec = _extend(spec, accessor.index, offset, Accessor(type_id, accessor.index, None))
    return spec


def _match_member(
    local: Btf, accessor: Accessor, spec: Spec, struct_id: int, seen: set[int]
) -> tuple[Spec, int] | None:
    """Search a target struct, and what is anonymous in it, for a member by its name."""
    struct = spec.btf.type(struct_id)
    seen.add(struct_id)
    if not isinstance(struct, Struct):
        return None
    for index, member in enumerate(struct.members):
        if member.name == accessor.name:
            made = Accessor(struct_id, index, member.name)
            ours = local.type(accessor.type_id)
            assert isinstance(ours, Struct)
            local_id = ours.members[accessor.index].type_id
            if not fields_are_compatible(local, local_id, spec.btf, member.type_id):
                return None
            return _extend(spec, index, member.bit_offset, made), member.type_id
        if not member.name:
            inner = spec.btf.resolve(member.type_id)
            if inner not in seen:
                deeper = _extend(spec, index, member.bit_offset, None)
                found = _match_member(local, accessor, deeper, inner, seen)
                if found:
                    return found
    return None


def _extend(spec: Spec, index: int, bit_offset: int, accessor: Accessor | None) -> Spec:
    if len(spec.raw) == MAX_LENGTH:
        raise FormatError("btf relocation: resolve: structs are nested too deeply")
    accessors = (*spec.accessors, accessor) if accessor else spec.accessors
    return Spec(
        spec.btf, spec.root_id, (*spec.raw, index), accessors, spec.bit_offset + bit_offset
    )


def _parse_access(access: str) -> tuple[int, ...]:
    parts = access.split(":", MAX_LENGTH)
    if len(parts) > MAX_LENGTH or not all(
        part.isascii() and part.isdigit() and len(part) < 10 for part in parts
    ):
        raise FormatError(f"btf relocation '{access[:MAX_LENGTH]}': parse: no access string")
    return tuple(map(int, parts))


def _is_flexible(btf: Btf, accessor: Accessor, array: Array) -> bool:
    """Return whether an array without a length is the last member of a struct."""
    if accessor.name is None or array.count:
        return False
    struct = btf.type(accessor.type_id)
    return isinstance(struct, Struct) and accessor.index == len(struct.members) - 1
