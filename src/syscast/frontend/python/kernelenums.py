"""Enums of the kernel by name: ``enum("bpf_map_type").BPF_MAP_TYPE_HASH``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from syscast.errors import TargetError

if TYPE_CHECKING:
    from enum import IntEnum

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Enum

_E = TypeVar("_E", bound="IntEnum")


class KernelEnum:
    """An enum of the kernel; its enumerators are attributes.

    In a probe an enumerator is the value that the kernel which loads the probe gives it. In plain
    Python it is a member of an ``IntEnum`` made from the running kernel's BTF.
    """

    def __init__(self, name: str) -> None:
        """Nothing is looked up before an enumerator is asked for."""
        self._name = name
        self._members: type[IntEnum] | None = None

    def __getattr__(self, name: str) -> int:
        """Give an enumerator.

        Raises:
            AttributeError: The running kernel's BTF has none of this name.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        if self._members is None or name not in self._members.__members__:
            from syscast.btf import source  # noqa: PLC0415  (only plain Python needs BTF here)

            self._members = self._found(source.kernel(), name)
        return self._members[name]

    def _found(self, types: Btf, name: str) -> type[IntEnum]:
        from enum import IntEnum  # noqa: PLC0415  (as above)

        type_id = enum_id(types, self._name, name)
        if type_id is None:
            raise AttributeError(f"{self!r}: the running kernel has no enumerator {name!r}")
        held = enum_type(types, type_id)
        made: type[IntEnum] = IntEnum(  # type: ignore[misc]  # the members are known at run time only
            self._name or "enum", {each.name: each.value for each in held.values}
        )
        return made

    def __repr__(self) -> str:
        return f"enum({self._name!r})"


@overload
def enum(name: type[_E]) -> type[_E]: ...


@overload
def enum(name: str = "") -> KernelEnum: ...


def enum(name: object = "") -> object:
    """An enum of the kernel, looked up when an enumerator is used.

    Args:
        name: Its name in C, without the word ``enum``. Many enums of the kernel have none, those
            of ``TCP_LISTEN`` for one; they are found by their enumerators, so that a name which
            is no enum's, such as ``tcp_state``, is only there to be read. The name that
            `syscast.kernel` gives is one too: with stubs, type checkers know its enumerators.
    """
    return KernelEnum(str(name).removeprefix("enum").strip())


def name_of(held: KernelEnum) -> str:
    """The enum's name as given."""
    return held._name  # noqa: SLF001  (an attribute without underscore would hide an enumerator)


def enum_type(types: Btf, type_id: int) -> Enum:
    """The enum of an id from `enum_id`."""
    from syscast.btf.types import Enum  # noqa: PLC0415  (the package's start needs no types)

    held = types.type(type_id)
    if not isinstance(held, Enum):
        raise TargetError(f"type {type_id}: look up: it is no enum")
    return held


def enum_id(types: Btf, name: str, enumerator: str) -> int | None:
    """The enum that is meant: by its name, or without a name by its enumerator."""
    from syscast.btf.types import Enum  # noqa: PLC0415  (as above)

    if name:
        for type_id in types.find_all(name, Enum):
            if any(each.name == enumerator for each in enum_type(types, type_id).values):
                return type_id
        if types.find(name, Enum) is not None:
            return None
    for type_id in types.with_enumerator(enumerator):
        if not name or not enum_type(types, type_id).name:
            return type_id
    return None
