"""C types made from BTF, each when something first needs it.

Sizes and offsets are the ones that BTF states, never computed anew: the kernel's own compiler laid its
types out, with attributes that BTF does not tell of.

A struct that is reached from another type is exactly the one that BTF means. Only a tag that a text
writes can be ambiguous, where unlike kernel files have structs of one name: then the first that BTF
lists is taken, as everywhere in syscast, and `ambiguous` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from syscast.btf import types as btf_types
from syscast.errors import FormatError
from syscast.frontend.c.basictypes import basic, char
from syscast.frontend.c.types import (
    BOOL,
    VOID,
    Array,
    Body,
    Enum,
    EnumBody,
    Float,
    FunctionType,
    Int,
    Member,
    Parameter,
    Pointer,
    Record,
    integer,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.btf.lookup import Btf
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.types import CType

_DEEPEST = 64
_POINTER_TAGS = frozenset({"user", "percpu", "rcu"})
_TRANSPARENT = (
    btf_types.Const,
    btf_types.Volatile,
    btf_types.Restrict,
    btf_types.TypeTag,
    btf_types.Func,
    btf_types.Var,
)
_KIND: dict[str, btf_types.Kind] = {
    "struct": btf_types.Struct,
    "union": btf_types.Struct,
    "enum": btf_types.Enum,
    "typedef": btf_types.Typedef,
}


class BtfTypes:
    """The C types of one BTF: the kernel's, or a module's over the kernel's.

    Attributes:
        btf: Where the types are.
        aliases: Member names that are macros in kernel headers, by tag; see `Body.aliases`.
        overriding: Asked for each struct, union or enum with a tag: what the text defines under that tag
            stands in for the kernel's.
    """

    def __init__(
        self,
        btf: Btf,
        arch: str,
        *,
        aliases: Mapping[str, Mapping[str, str]] | None = None,
        elsewhere: Callable[[str, str], CType | None] = lambda _kind, _tag: None,
    ) -> None:
        """Nothing is looked up yet.

        Args:
            btf: Where the types are.
            arch: The machine, for plain ``char`` .
            aliases: As the attribute.
            elsewhere: Gives a type of another BTF that this one only declares, by ``struct`` or ``union`` and tag.
        """
        self.btf = btf
        self.aliases: Mapping[str, Mapping[str, str]] = aliases or {}
        self.overriding: Callable[[str, str], CType | None] = lambda _kind, _tag: None
        self._arch = arch
        self._elsewhere = elsewhere
        self._made: dict[int, CType] = {}
        self._depth = 0

    def by_name(self, name: str) -> CType | None:
        """The type of a typedef, spelled by that name."""
        type_id = self.btf.find(name, btf_types.Typedef)
        return self.by_id(type_id) if type_id else None

    def by_tag(self, kind: str, tag: str) -> Record | Enum | None:
        """A struct, union or enum that BTF defines; None where it only declares it, or does not know it.

        Args:
            kind: ``struct``, ``union`` or ``enum``.
            tag: The name.
        """
        for type_id in self._of_tag(kind, tag):
            found = self.by_id(type_id)
            if isinstance(found, Record | Enum):
                return found
        return None

    def made_tag(self, kind: str, tag: str) -> CType | None:
        """What `by_tag` would give, if some type that was made refers to it already."""
        for type_id in self._of_tag(kind, tag):
            if type_id in self._made:
                return self._made[type_id]
        return None

    def has_typedef(self, name: str) -> bool:
        """Whether there is a typedef of this name."""
        return self.btf.find(name, btf_types.Typedef) is not None

    def ambiguous(self, kind: str, tag: str) -> bool:
        """Whether BTF has several types of this tag that are not alike."""
        found = [self.btf.type(type_id) for type_id in self._of_tag(kind, tag)]
        shapes = {
            (each.size, tuple((member.name, member.bit_offset) for member in each.members))
            for each in found
            if isinstance(each, btf_types.Struct)
        }
        return len(shapes) > 1

    def _of_tag(self, kind: str, tag: str) -> list[int]:
        return [
            type_id
            for type_id in self.btf.find_all(tag, _KIND[kind])
            if kind == "enum" or _is_union(self.btf.type(type_id)) == (kind == "union")
        ]

    def enumerator(self, name: str) -> tuple[int, Int] | None:
        """Value and type of an enumerator, whatever enum it is of; None if there is none."""
        for type_id in self.btf.with_enumerator(name):
            found = self.btf.type(type_id)
            if isinstance(found, btf_types.Enum):
                value = next(each.value for each in found.values if each.name == name)
                return value, enumerator_type(value)
        return None

    def by_id(self, type_id: int) -> CType:
        """The type with an id.

        Raises:
            FormatError: BTF is wrong: ids that lead nowhere, or chains of types without end.
        """
        made = self._made.get(type_id)
        if made is None:
            if self._depth > _DEEPEST:
                raise FormatError(f"btf '{self.btf.name}': type {type_id}: it contains itself")
            self._depth += 1
            try:
                made = self._make(type_id)
            finally:
                self._depth -= 1
            self._made[type_id] = made
        return made

    def _make(self, type_id: int) -> CType:
        found = self.btf.type(type_id)
        if isinstance(found, _TRANSPARENT):
            return self.by_id(found.type_id)
        made: CType
        match found:
            case btf_types.Ptr(type_id=to):
                made = Pointer(self.by_id(to), self._pointer_tag(to))
            case btf_types.Array(element_id=element, count=count):
                made = Array(self.by_id(element), count)
            case btf_types.Typedef(name=name, type_id=of):
                made = named(self.by_id(of), name)
            case btf_types.FuncProto():
                made = self._function(found)
            case btf_types.Struct(name=tag):
                kind = "union" if found.is_union else "struct"
                made = self._user(kind, tag) or self._record(type_id, kind, tag)
            case btf_types.Fwd(name=tag, is_union=is_union):
                made = self._forward("union" if is_union else "struct", tag)
            case _:
                made = self._make_scalar(type_id, found)
        return made

    def _make_scalar(self, type_id: int, found: btf_types.BtfType) -> CType:
        match found:
            case btf_types.Int():
                return self._integer(found)
            case btf_types.Enum(name=tag):
                return self._user("enum", tag) or self._enum(found)
            case btf_types.Float(name=name, size=size):
                return Float(name, size)
            case btf_types.Void():
                return VOID
            case _:
                raise FormatError(f"btf '{self.btf.name}': type {type_id}: it is not a C type")

    def _user(self, kind: str, tag: str) -> CType | None:
        return self.overriding(kind, tag) if tag else None

    def _integer(self, found: btf_types.Int) -> CType:
        if found.bool:
            return BOOL
        words = found.name.split()
        if words == ["char"] and found.size == 1:
            return char(self._arch)
        known = basic(words, self._arch)
        if isinstance(known, Int) and known.size == found.size:
            return known
        if found.size not in {1, 2, 4, 8, 16}:
            raise FormatError(
                f"btf '{self.btf.name}': integer '{found.name}' of {found.size} bytes"
            )
        return integer(found.size, signed=found.signed)

    def _pointer_tag(self, type_id: int) -> str:
        for _ in range(_DEEPEST):
            found = self.btf.type(type_id)
            if isinstance(found, btf_types.TypeTag) and found.name in _POINTER_TAGS:
                return found.name
            if not isinstance(found, btf_types.TypeTag | btf_types.Const | btf_types.Volatile):
                return ""
            type_id = found.type_id
        return ""

    def _record(self, type_id: int, kind: str, tag: str) -> Record:
        body = Body(kind, tag, lambda body: self._fill(body, type_id))
        body.aliases = self.aliases.get(tag, {})
        return Record(body)

    def _fill(self, body: Body, type_id: int) -> None:
        found = cast("btf_types.Struct", self.btf.type(type_id))
        members = tuple(self._member(each) for each in found.members)
        body.define(members, found.size, self.btf.align_of(type_id))

    def _member(self, member: btf_types.Member) -> Member:
        """Old BTF has the width of a bit field in an integer type of its own (``kind_flag`` 0)."""
        bit_offset, width = member.bit_offset, member.bitfield_size
        if not width:
            held = self.btf.type(self.btf.resolve(member.type_id))
            if isinstance(held, btf_types.Int) and held.bits != 8 * held.size:
                bit_offset, width = bit_offset + held.offset, held.bits
        return Member(member.name, self.by_id(member.type_id), bit_offset, width)

    def _enum(self, found: btf_types.Enum) -> Enum:
        body = EnumBody(found.name)
        values = {each.name: each.value for each in found.values}
        body.define(values, found.size, signed=found.signed)
        body.complete = bool(values)
        return Enum(body)

    def _forward(self, kind: str, tag: str) -> CType:
        """A struct that is only declared here may be defined elsewhere in this BTF, or in a module."""
        overriding = self._user(kind, tag)
        if overriding is not None:
            return overriding
        for type_id in self._of_tag(kind, tag):
            return self.by_id(type_id)
        body = Body(kind, tag, self._fill_from_elsewhere)
        return Record(body)

    def _fill_from_elsewhere(self, body: Body) -> None:
        found = self._elsewhere(body.kind, body.tag)
        if isinstance(found, Record) and found.body is not body and found.complete:
            body.aliases = found.body.aliases
            body.define(*found.body.layout())

    def _function(self, found: btf_types.FuncProto) -> FunctionType:
        parameters = tuple(Parameter(each.name, self.by_id(each.type_id)) for each in found.params)
        return FunctionType(self.by_id(found.return_id), parameters, variadic=found.variadic)


def enumerator_type(value: int) -> Int:
    """The type of an enumerator in an expression: ``int`` where it fits, else wide enough."""
    for size, signed in ((4, True), (4, False), (8, True)):
        if integer(size, signed=signed).wrap(value) == value:
            return integer(size, signed=signed)
    return integer(8, signed=False)


def _is_union(found: btf_types.BtfType) -> bool:
    return isinstance(found, btf_types.Struct) and found.is_union


class KernelTypes:
    """The C types of a kernel and, where it lacks one, of the loaded module that has it."""

    def __init__(
        self, surroundings: Surroundings, aliases: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Nothing is looked up yet.

        Args:
            surroundings: Whose BTF, and which modules.
            aliases: As in `BtfTypes`.
        """
        self._surroundings = surroundings
        self._aliases = aliases or {}
        self._overriding: Callable[[str, str], CType | None] = lambda _kind, _tag: None
        self._modules: dict[str, BtfTypes] = {}
        self.kernel: BtfTypes = self._types(surroundings.btf)

    def override_by(self, ask: Callable[[str, str], CType | None]) -> None:
        """Let the text's own structs, unions and enums stand in for the kernel's of the same tag."""
        self._overriding = ask

    def typedef(self, name: str) -> CType | None:
        """What a typedef of the kernel or of a module names, spelled by that name."""
        found = self.kernel.by_name(name)
        if found is None:
            other = self._module("typedef", name)
            found = other.by_name(name) if other else None
        return found

    def tag(self, kind: str, tag: str) -> Record | Enum | None:
        """A struct, union or enum that the kernel or a module defines."""
        return self.kernel.by_tag(kind, tag) or self.tag_of_module(kind, tag)

    def enumerator(self, name: str) -> tuple[int, Int] | None:
        """Value and type of an enumerator of the kernel."""
        return self.kernel.enumerator(name)

    def ambiguous(self, kind: str, tag: str) -> bool:
        """Whether the kernel has several unlike types of this tag, and `tag` gave the first."""
        return self.kernel.ambiguous(kind, tag)

    def function(self, name: str) -> FunctionType | None:
        """The prototype of a kernel function."""
        for type_id in self.kernel.btf.find_all(name, btf_types.Func):
            found = self.kernel.by_id(type_id)
            return found if isinstance(found, FunctionType) else None
        return None

    def _types(self, btf: Btf) -> BtfTypes:
        made = BtfTypes(
            btf, self._surroundings.arch, aliases=self._aliases, elsewhere=self.tag_of_module
        )
        made.overriding = self._overridden
        return made

    def _overridden(self, kind: str, tag: str) -> CType | None:
        return self._overriding(kind, tag)

    def tag_of_module(self, kind: str, tag: str) -> Record | Enum | None:
        """A struct, union or enum that a loaded module defines."""
        other = self._module(kind, tag)
        return other.by_tag(kind, tag) if other else None

    def _module(self, kind: str, name: str) -> BtfTypes | None:
        btf = self._surroundings.module_with(name, kind)
        if btf is None:
            return None
        key = f"{btf.name} {btf.key}"
        if key not in self._modules:
            self._modules[key] = self._types(btf)
        return self._modules[key]
