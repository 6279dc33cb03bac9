"""When a type of an object and a type of a kernel count as the same, for CO-RE relocations.

Three relations, from loose to strict, each as libbpf's ``relo_core.c`` defines it. All of them look
through typedefs and modifiers; BTF of unknown origin may be endless, so all work is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.index import essential
from syscast.btf.types import (
    INT_SIGNED,
    Array,
    Enum,
    Float,
    FuncProto,
    Fwd,
    Int,
    Ptr,
    Struct,
    Void,
)
from syscast.errors import FormatError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import BtfType

_MAX_DEPTH = 32  # as in relo_core.c


def same_kind(local: BtfType, target: BtfType) -> bool:
    """Return whether the kinds agree; ENUM and ENUM64 count as one, struct and union as two."""
    if type(local) is not type(target):
        return False
    if isinstance(local, Struct) and isinstance(target, Struct):
        return local.is_union == target.is_union
    return True


def same_name(local: str, target: str) -> bool:
    """Return whether two names agree but for their flavours."""
    return essential(local.encode()) == essential(target.encode())


def name_of(found: BtfType) -> str:
    """Return the name of a type, "" where its kind has none."""
    name = getattr(found, "name", "")
    return name if isinstance(name, str) else ""


def fields_are_compatible(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    """Return whether a field of the local type may be read as one of the target's.

    Structs, unions and pointers all agree; integers whatever their size; enums and forward
    declarations by name; arrays by their elements.
    """
    for _ in range(_MAX_DEPTH):
        ours = local.type(local.resolve(local_id))
        theirs = target.type(target.resolve(target_id))
        if isinstance(ours, Struct) and isinstance(theirs, Struct):
            return True
        if not same_kind(ours, theirs):
            return False
        if isinstance(ours, Array) and isinstance(theirs, Array):
            local_id, target_id = ours.element_id, theirs.element_id
            continue
        if isinstance(ours, Int) and isinstance(theirs, Int):
            return ours.offset == 0 == theirs.offset
        if isinstance(ours, Enum | Fwd) and isinstance(theirs, Enum | Fwd):
            return not ours.name or not theirs.name or same_name(ours.name, theirs.name)
        return isinstance(ours, Ptr | Float)
    raise FormatError("btf relocation: an array of arrays never ends")


class Relation:
    """Compares types of two BTFs and remembers what it has compared."""

    def __init__(self, local: Btf, target: Btf) -> None:
        self._local = local
        self._target = target
        self._forms: dict[tuple[int, int], bool] = {}
        self._contents: dict[tuple[int, int, bool], bool] = {}

    def _pair(self, local_id: int, target_id: int) -> tuple[int, BtfType, int, BtfType]:
        local_id, target_id = self._local.resolve(local_id), self._target.resolve(target_id)
        return local_id, self._local.type(local_id), target_id, self._target.type(target_id)

    def compatible(self, local_id: int, target_id: int) -> bool:
        """Return whether the types agree in their outer form: for ``TYPE_EXISTS``.

        Structs, unions, enums and forward declarations agree by kind alone, and integers too;
        pointers, arrays and functions by what they are made of. The caller compares names.
        """
        if not same_kind(self._local.type(local_id), self._target.type(target_id)):
            return False
        return self._compatible(local_id, target_id, _MAX_DEPTH)

    def _compatible(self, local_id: int, target_id: int, depth: int) -> bool:
        if depth < 0:
            raise FormatError("btf relocation: types are nested too deeply to compare")
        local_id, ours, target_id, theirs = self._pair(local_id, target_id)
        pair = (local_id, target_id)
        known = self._forms.get(pair)
        if known is None:
            known = same_kind(ours, theirs) and self._same_form(ours, theirs, depth)
            self._forms[pair] = known
        return known

    def _same_form(self, ours: BtfType, theirs: BtfType, depth: int) -> bool:
        if isinstance(ours, Int) and isinstance(theirs, Int):
            return ours.offset == 0 == theirs.offset
        if isinstance(ours, Ptr) and isinstance(theirs, Ptr):
            return self._compatible(ours.type_id, theirs.type_id, depth - 1)
        if isinstance(ours, Array) and isinstance(theirs, Array):
            return self._compatible(ours.element_id, theirs.element_id, depth - 1)
        if isinstance(ours, FuncProto) and isinstance(theirs, FuncProto):
            pairs = _positions(ours, theirs)
            return pairs is not None and all(
                self._compatible(one, other, depth - 1) for one, other in pairs
            )
        return isinstance(ours, Void | Struct | Enum | Fwd)

    def matches(self, local_id: int, target_id: int) -> bool:
        """Return whether all that the local type has is in the target: for ``TYPE_MATCHES``."""
        return self._matches(local_id, target_id, behind_pointer=False, depth=_MAX_DEPTH)

    def _matches(self, local_id: int, target_id: int, *, behind_pointer: bool, depth: int) -> bool:
        if depth <= 0:
            raise FormatError("btf relocation: types are nested too deeply to compare")
        local_id, ours, target_id, theirs = self._pair(local_id, target_id)
        pair = (local_id, target_id, behind_pointer)
        known = self._contents.get(pair)
        if known is None:
            known = same_name(name_of(ours), name_of(theirs))
            known = known and self._same_content(ours, theirs, behind_pointer, depth)
            self._contents[pair] = known
        return known

    def _same_content(
        self,
        ours: BtfType,
        theirs: BtfType,
        behind_pointer: bool,  # noqa: FBT001 - private, and always by position
        depth: int,
    ) -> bool:
        if isinstance(ours, Struct | Fwd) and isinstance(theirs, Struct | Fwd):
            return self._same_struct(ours, theirs, behind_pointer, depth)
        if isinstance(ours, Enum) and isinstance(theirs, Enum):
            return _enums_match(ours, theirs)
        if isinstance(ours, Int) and isinstance(theirs, Int):
            signs = (ours.encoding ^ theirs.encoding) & INT_SIGNED
            return ours.size == theirs.size and not signs
        if isinstance(ours, Ptr) and isinstance(theirs, Ptr):
            return self._matches(
                ours.type_id, theirs.type_id, behind_pointer=True, depth=depth - 1
            )
        pairs: list[tuple[int, int]] | None = None
        if isinstance(ours, Array) and isinstance(theirs, Array) and ours.count == theirs.count:
            pairs = [(ours.element_id, theirs.element_id)]
        elif isinstance(ours, FuncProto) and isinstance(theirs, FuncProto):
            pairs = _positions(ours, theirs)
        elif isinstance(ours, Void) and isinstance(theirs, Void):
            pairs = []
        return pairs is not None and all(
            self._matches(one, other, behind_pointer=behind_pointer, depth=depth - 1)
            for one, other in pairs
        )

    def _same_struct(
        self,
        ours: Struct | Fwd,
        theirs: Struct | Fwd,
        behind_pointer: bool,  # noqa: FBT001 - private, and always by position
        depth: int,
    ) -> bool:
        """Behind a pointer a declaration is enough; elsewhere every local member must match."""
        if ours.is_union != theirs.is_union:
            return False
        if behind_pointer:
            return True
        if not isinstance(ours, Struct) or not isinstance(theirs, Struct):
            return type(ours) is type(theirs)
        if len(ours.members) > len(theirs.members):
            return False
        by_name: dict[bytes, list[int]] = {}
        for member in theirs.members:
            by_name.setdefault(essential(member.name.encode()), []).append(member.type_id)
        return all(
            any(
                self._matches(member.type_id, other, behind_pointer=False, depth=depth - 1)
                for other in by_name.get(essential(member.name.encode()), ())
            )
            for member in ours.members
        )


def _positions(ours: FuncProto, theirs: FuncProto) -> list[tuple[int, int]] | None:
    """Pair the types of two prototypes; None where their numbers of parameters differ."""
    if len(ours.params) != len(theirs.params) or ours.variadic != theirs.variadic:
        return None
    pairs = [
        (one.type_id, other.type_id) for one, other in zip(ours.params, theirs.params, strict=True)
    ]
    return [*pairs, (ours.return_id, theirs.return_id)]


def _enums_match(ours: Enum, theirs: Enum) -> bool:
    if ours.size != theirs.size or len(ours.values) > len(theirs.values):
        return False
    names = {essential(value.name.encode()) for value in theirs.values}
    return all(essential(value.name.encode()) in names for value in ours.values)
