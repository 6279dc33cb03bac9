"""Maps that an object defines in its section ``.maps``.

Each variable there is a struct that only its BTF gives a meaning: the member ``type`` is a
pointer to an array whose length is the map's type, ``key`` a pointer to the key's type, and so
on (libbpf's ``__uint``, ``__type`` and ``__array``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syscast.btf.types import Array, DataSec, Enum, FuncProto, Ptr, Struct, Var
from syscast.errors import FormatError, TargetError
from syscast.spec.numbers import MAP_NAMES
from syscast.spec.objectspec import MapSpec

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import Member

SECTION = ".maps"
_MAP_OF_MAPS = frozenset({"array_of_maps", "hash_of_maps"})
_FD_SIZE = 4
_MAX_U32 = (1 << 32) - 1

_NUMBERS = frozenset({"type", "key_size", "value_size", "max_entries", "map_flags", "map_extra"})


class MapDef(NamedTuple):
    """A map and where it lies.

    Attributes:
        offset: Of its variable in the section, bytes.
        size: Of the variable, bytes.
        values_at: Of the slots that ``values`` fills, bytes from `offset`; -1 without them.
    """

    spec: MapSpec
    offset: int
    size: int
    values_at: int


def read_maps(btf: Btf, subject: str) -> list[MapDef]:
    """All maps of an object, in the order of the section.

    Args:
        btf: The object's own, completed.
        subject: Object and name, for messages.

    Raises:
        FormatError: A definition that is damaged or not known.
    """
    type_id = btf.find(SECTION, DataSec)
    section = btf.type(type_id) if type_id is not None else None
    if not isinstance(section, DataSec):
        return []
    maps = []
    names = set()
    for record in section.vars:
        var = btf.type(record.type_id)
        if not isinstance(var, Var) or var.name in names:
            raise FormatError(f"{subject}: parse: {SECTION} has a nameless map or one twice")
        names.add(var.name)
        definition = btf.type(btf.resolve(var.type_id))
        if not isinstance(definition, Struct):
            raise FormatError(f"map '{var.name}': parse: its definition is not a struct")
        made, values_at = _Definition(btf, var.name).read(definition)
        maps.append(MapDef(made, record.offset, record.size, values_at))
    return maps


class _Definition:
    def __init__(self, btf: Btf, name: str, *, inside: bool = False) -> None:
        self._btf = btf
        self._name = name
        self._inside = inside
        self._numbers: dict[str, int] = {}
        self._types: dict[str, int] = {}
        self._inner: MapSpec | None = None
        self._values_at = -1

    def read(self, definition: Struct) -> tuple[MapSpec, int]:
        for member in definition.members:
            self._member(member)
        numbers = self._numbers
        kind = numbers.get("type", 0)
        if not 0 < kind < len(MAP_NAMES):
            raise self._error(f"map type {kind} is not known")
        type_name = MAP_NAMES[kind]
        if (type_name in _MAP_OF_MAPS) != (self._inner is not None):
            raise self._error("an inner map goes with a map of maps, and only there")
        made = MapSpec(
            self._name,
            type_name,
            key_size=self._size("key"),
            value_size=_FD_SIZE if self._inner else self._size("value"),
            max_entries=numbers.get("max_entries", 0),
            flags=numbers.get("map_flags", 0),
            key_type_id=self._types.get("key", 0),
            value_type_id=self._types.get("value", 0),
            extra=numbers.get("map_extra", 0),
            inner=self._inner,
        )
        return made, self._values_at

    def _member(self, member: Member) -> None:
        name = member.name
        if name in _NUMBERS:
            self._numbers[name] = self._number(member)
        elif name in {"key", "value"}:
            self._types[name] = self._pointee(member)
        elif name == "pinning":
            if self._number(member):
                raise self._error("pinning is not supported")
        elif name == "values":
            self._values(member)
        else:
            raise self._error(f"'{name}' is not a known member")

    def _size(self, what: str) -> int:
        given = self._numbers.get(f"{what}_size")
        if what not in self._types:
            return given or 0
        try:
            size = self._btf.size_of(self._types[what])
        except TargetError as error:
            raise self._error(f"the {what} has no size ({error})") from None
        if given is not None and given != size:
            raise self._error(f"{what}_size is {given}, but the {what}'s type has {size} bytes")
        return size

    def _pointee(self, member: Member) -> int:
        pointer = self._btf.type(self._btf.resolve(member.type_id))
        if not isinstance(pointer, Ptr):
            raise self._error(f"'{member.name}' is not a pointer")
        return pointer.type_id

    def _number(self, member: Member) -> int:
        btf = self._btf
        found = btf.type(btf.resolve(member.type_id))
        # __ulong spells its value as an enumerator, __uint as the length of an array.
        if isinstance(found, Enum) and len(found.values) == 1:
            return found.values[0].value & ((1 << 64) - 1)
        found = btf.type(btf.resolve(self._pointee(member)))
        if not isinstance(found, Array) or found.count > _MAX_U32:
            raise self._error(f"'{member.name}' is not a number")
        return found.count

    def _values(self, member: Member) -> None:
        btf = self._btf
        array = btf.type(btf.resolve(member.type_id))
        if self._inside or not isinstance(array, Array):
            raise self._error("'values' is not an array of maps or programs")
        self._values_at = member.bit_offset // 8
        pointer = btf.type(btf.resolve(array.element_id))
        target = btf.type(btf.resolve(pointer.type_id)) if isinstance(pointer, Ptr) else None
        if isinstance(target, Struct):
            inner = _Definition(btf, f"{self._name}.inner", inside=True)
            self._inner, _ = inner.read(target)
        elif not isinstance(target, FuncProto):
            raise self._error("'values' is not an array of maps or programs")

    def _error(self, cause: str) -> FormatError:
        return FormatError(f"map '{self._name}': parse: {cause}")
