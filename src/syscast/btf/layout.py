"""Members by name, as a person thinks of them: through anonymous and ``__x`` structs.

C reaches the members of an anonymous struct or union by their own name. The kernel also embeds
named parts, such as ``sock.__sk_common``, and hides them behind macros that BTF does not know;
members of such parts are found by their own name too, unless a nearer member has it.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.types import Array, Struct
from syscast.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Member

_MAX_DEPTH = 64  # BPF_CORE_SPEC_MAX_LEN: deeper access strings cannot be relocated
_MAX_MEMBERS = 1 << 17


class FieldPath(Record):
    """The way from a struct to one of its members, however deep.

    Attributes:
        root: The id of the struct, union or typedef that the path starts from.
        access: The number of the member at each level, anonymous levels included.
        names: The names on the way; anonymous levels have none.
        bit_offset: From the start of the root.
        bitfield_size: In bits; 0 for an ordinary member.
        type_id: The member's type.
        flexible: Whether it is an array without a length of its own.
    """

    root: int
    access: tuple[int, ...]
    names: tuple[str, ...]
    bit_offset: int
    bitfield_size: int
    type_id: int
    flexible: bool

    @property
    def name(self) -> str:
        """The names joined by dots, as C would write the member."""
        return ".".join(self.names)

    @property
    def offset(self) -> int:
        """The offset in bytes from the start of the root, rounded down for a bit field."""
        return self.bit_offset // 8

    @property
    def access_string(self) -> str:
        """The path as CO-RE relocations spell it: ``0:2:1``."""
        return ":".join(("0", *map(str, self.access)))


class _Step(Record):
    """A struct that a search has reached, and how."""

    struct_id: int
    access: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    bit_offset: int = 0

    def into(self, number: int, member: Member, struct_id: int) -> _Step:
        names = (*self.names, member.name) if member.name else self.names
        offset = self.bit_offset + member.bit_offset
        return _Step(struct_id, (*self.access, number), names, offset)


def find_member(btf: Btf, struct_id: int, name: str) -> FieldPath | None:
    """Find a member by its name.

    Looks among the struct's own members and those of anonymous structs and unions in it, then
    into embedded structs whose names start with ``__``, level by level. ``from_`` finds ``from``,
    since Python keeps that word for itself.

    Args:
        btf: Where the struct is.
        struct_id: A struct or union, or a typedef of one.
        name: The member's name, without dots.

    Returns:
        The way to the member, or None.
    """
    start = _Step(btf.resolve(struct_id))
    spellings = [name]
    if name.endswith("_") and iskeyword(name[:-1]):
        spellings.append(name[:-1])
    for spelling in spellings:
        found = _search(btf, start, spelling)
        if found:
            step, number, member = found
            return _path(btf, struct_id, step.into(number, member, member.type_id), member)
    return None


def members(btf: Btf, struct_id: int) -> Iterator[FieldPath]:
    """Yield all named members in order, those of anonymous structs and unions in their place."""
    for step, number, member in _flat(btf, _Step(btf.resolve(struct_id))):
        yield _path(btf, struct_id, step.into(number, member, member.type_id), member)


def near_members(btf: Btf, struct_id: int, name: str, n: int = 3) -> list[str]:
    """Return up to ``n`` member names that read like ``name``, best first."""
    from syscast.btf.near import nearest  # noqa: PLC0415 - only errors need it

    names = {
        member.name
        for step in _embedded(btf, _Step(btf.resolve(struct_id)))
        for _, _, member in _flat_once(btf, step, set(), 0)
    }
    return nearest(name, names, n)


def _path(btf: Btf, root: int, step: _Step, member: Member) -> FieldPath:
    found = btf.type(btf.resolve(member.type_id))
    flexible = isinstance(found, Array) and found.count == 0
    return FieldPath(
        root,
        step.access,
        step.names,
        step.bit_offset,
        member.bitfield_size,
        member.type_id,
        flexible,
    )


def _search(btf: Btf, start: _Step, name: str) -> tuple[_Step, int, Member] | None:
    for step in _embedded(btf, start):
        found = _direct(btf, step, name, set(), 0)
        if found:
            return found
    return None


def _direct(
    btf: Btf, step: _Step, name: str, seen: set[int], depth: int
) -> tuple[_Step, int, Member] | None:
    """Search one struct and what is anonymous in it; ``seen`` were searched in vain."""
    struct = _struct(btf, step.struct_id, depth)
    seen.add(step.struct_id)
    for number, member in enumerate(struct.members if struct else ()):
        if member.name == name:
            return step, number, member
        if not member.name:
            inner = btf.resolve(member.type_id)
            if inner not in seen:
                deeper = step.into(number, member, inner)
                found = _direct(btf, deeper, name, seen, depth + 1)
                if found:
                    return found
    return None


def _embedded(btf: Btf, start: _Step) -> Iterator[_Step]:
    """Yield the struct and the ``__x`` structs embedded in it, the nearest first, each once."""
    seen = {start.struct_id}
    level = [start]
    for _ in range(_MAX_DEPTH):
        yield from level
        deeper: list[_Step] = []
        for outer in level:
            _add_embedded(btf, outer, deeper, seen, 0)
        if not deeper:
            return
        level = deeper


def _add_embedded(btf: Btf, step: _Step, found: list[_Step], seen: set[int], depth: int) -> None:
    struct = _struct(btf, step.struct_id, depth)
    for number, member in enumerate(struct.members if struct else ()):
        if member.name and not member.name.startswith("__"):
            continue
        inner = btf.resolve(member.type_id)
        if inner in seen or not isinstance(btf.type(inner), Struct):
            continue
        seen.add(inner)
        deeper = step.into(number, member, inner)
        if member.name:
            found.append(deeper)
        else:
            _add_embedded(btf, deeper, found, seen, depth + 1)


def _flat(btf: Btf, start: _Step) -> Iterator[tuple[_Step, int, Member]]:
    """Yield every named member, depth first, with the struct it is in."""
    visited = 0
    stack = [(start, 0)]
    while stack:
        step, first = stack.pop()
        struct = _struct(btf, step.struct_id, len(stack))
        fields = struct.members if struct else ()
        for number in range(first, len(fields)):
            member = fields[number]
            visited += 1
            if visited > _MAX_MEMBERS:
                raise FormatError(f"type {start.struct_id} in '{btf.name}': too many members")
            if not member.name:
                inner = btf.resolve(member.type_id)
                stack += [(step, number + 1), (step.into(number, member, inner), 0)]
                break
            yield step, number, member


def _flat_once(
    btf: Btf, step: _Step, seen: set[int], depth: int
) -> Iterator[tuple[_Step, int, Member]]:
    """Like ``_flat``, but each anonymous struct once, so that the work is linear."""
    struct = _struct(btf, step.struct_id, depth)
    seen.add(step.struct_id)
    for number, member in enumerate(struct.members if struct else ()):
        if member.name:
            yield step, number, member
            continue
        inner = btf.resolve(member.type_id)
        if inner not in seen:
            yield from _flat_once(btf, step.into(number, member, inner), seen, depth + 1)


def _struct(btf: Btf, type_id: int, depth: int) -> Struct | None:
    if depth > _MAX_DEPTH:
        raise FormatError(f"type {type_id} in '{btf.name}': it is nested too deeply")
    found = btf.type(type_id)
    return found if isinstance(found, Struct) else None
