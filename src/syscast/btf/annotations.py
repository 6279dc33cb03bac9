"""How a kernel type reads as a Python annotation, for the stubs of editors and type checkers.

A probe sees integers as ``int`` and follows pointers with a dot, whether they may be null or not. So
a pointer is ``sock | Any``: checkers refuse members that ``sock`` lacks, and accept both
``if sk is None`` and ``sk.skc_num`` without a test before it.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.types import (
    Array,
    Const,
    Enum,
    Float,
    FuncProto,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Volatile,
)

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import BtfType

_CHAINED = (Typedef, Const, Volatile, Restrict, TypeTag)
_MAYBE = " | Any"


class Annotation(Record):
    """An annotation around at most one name that a class body may hide.

    Attributes:
        name: Of a class; "" where nothing needs a name.
        before: Text before the name.
        after: Text behind it.
    """

    name: str
    before: str = ""
    after: str = ""

    def spell(self, hidden: frozenset[str] | set[str] = frozenset()) -> str:
        """Write it where the names in ``hidden`` mean something else."""
        if self.name in hidden:
            room = "_builtins" if self.name in _BUILTINS else "_kernel"
            return f"{self.before}{room}.{self.name}{self.after}"
        return f"{self.before}{self.name}{self.after}"

    def qualified(self) -> str:
        """Write it for another module."""
        if self.name and self.name not in _BUILTINS:
            return f"{self.before}_kernel.{self.name}{self.after}"
        return f"{self.before}{self.name}{self.after}"


_BUILTINS = frozenset({"int", "bool", "float", "str"})
_ANY = Annotation("", "Any")
_NONE = Annotation("", "None")
_INT = Annotation("int")
_BOOL = Annotation("bool")
_FLOAT = Annotation("float")
_TEXT = Annotation("str", "", _MAYBE)
_NETWORK = Annotation("", "_Be32")


class Annotator:
    """Annotations of one BTF's types, each made once.

    Attributes:
        anonymous: Names of structs that have none of their own, by id, as far as they were met.
    """

    def __init__(self, btf: Btf, known: dict[str, int]) -> None:
        """Start with the structs that have a class: their ids by name."""
        self._btf = btf
        self._known = known
        self._made: dict[int, Annotation] = {0: _NONE}
        self.anonymous: dict[int, str] = {}

    def of(self, type_id: int, owner: str = "") -> Annotation:
        """The annotation of a type; ``owner`` names an anonymous struct that is met first here."""
        made = self._made.get(type_id)
        if made is None:
            made = self._make(type_id, owner)
            self._made[type_id] = made
        return made

    def _make(self, type_id: int, owner: str) -> Annotation:
        alias, found = "", self._btf.type(type_id)
        while isinstance(found, _CHAINED):
            if isinstance(found, Typedef):
                alias = found.name
                if alias == "__be32":
                    return _NETWORK
            type_id = found.type_id
            found = self._btf.type(type_id)
        shown = _ANY
        match found:
            case Int():
                shown = _BOOL if found.bool else _INT
            case Enum():
                shown = _INT
            case Struct():
                shown = self._struct(type_id, found, alias or owner)
            case Ptr():
                shown = self._pointer(found.type_id, owner)
            case Array():
                shown = self._array(found, owner)
            case Float():
                shown = _FLOAT
            case _:
                pass
        return shown

    def _struct(self, type_id: int, struct: Struct, owner: str) -> Annotation:
        if struct.name:
            return Annotation(python_name(struct.name)) if struct.name in self._known else _ANY
        name = self.anonymous.get(type_id)
        if name is None:
            if not owner.isidentifier():
                return _ANY
            name = python_name(owner)
            while name in self._known:
                name = f"_{name}"
            self._known[name] = type_id
            self.anonymous[type_id] = name
        return Annotation(name)

    def _pointer(self, type_id: int, owner: str) -> Annotation:
        pointee, found = _strip(self._btf, type_id)
        if isinstance(found, Int) and found.size == 1 and not found.bool:
            return _TEXT
        if isinstance(found, FuncProto) or not pointee:
            return _ANY
        inner = self.of(type_id, owner)
        if isinstance(found, Struct):
            return inner if inner is _ANY else Annotation(inner.name, "", _MAYBE)
        return Annotation(inner.name, f"_Array[{inner.before}", f"{inner.after}]{_MAYBE}")

    def _array(self, array: Array, owner: str) -> Annotation:
        _, element = _strip(self._btf, array.element_id)
        if isinstance(element, Int) and element.size == 1 and not element.bool:
            # Bytes: text, or a hardware address, as the event's field wants them.
            return _TEXT if element.name == "char" else _ANY
        inner = self.of(array.element_id, owner)
        return Annotation(inner.name, f"_Array[{inner.before}", f"{inner.after}]")


def python_name(name: str) -> str:
    """A kernel name where Python wants one: keywords take a trailing ``_``."""
    return f"{name}_" if iskeyword(name) else name


def _strip(btf: Btf, type_id: int) -> tuple[int, BtfType]:
    found = btf.type(type_id)
    while isinstance(found, _CHAINED):
        type_id = found.type_id
        found = btf.type(type_id)
    return type_id, found
