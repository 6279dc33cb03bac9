"""The text of ``.pyi`` files for a kernel's structs, unions, enums and functions.

One class for each struct; unnamed structs in it are flattened, and what lies in an embedded ``__x``
is inherited, so that ``sk.skc_num`` is found in ``struct sock`` as it is in a probe. Everything is
yielded piece by piece: the whole is some MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.annotations import Annotator, python_name
from syscast.btf.types import Enum, Func, FuncProto, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Member

STRUCTS_HEAD = '''\
# mypy: ignore-errors
# pyright: basic
"""Structs, unions and enums of a kernel, written by `syscast stubs`."""

import builtins as _builtins
from collections.abc import Iterator as _Iterator
from enum import IntEnum as _IntEnum
from ipaddress import IPv4Address as _IPv4Address, IPv6Address as _IPv6Address
from typing import Any, Generic as _Generic, Self as _Self, TypeVar as _TypeVar
import syscast.kernel as _kernel

_T_co = _TypeVar("_T_co", covariant=True)

class _Struct:
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __getitem__(self, index: int, /) -> _Self: ...

class _Array(_Generic[_T_co]):
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> _T_co: ...
    def __iter__(self) -> _Iterator[_T_co]: ...

class _Be32(int, _IPv4Address): ...

'''
"""What the classes build on. A ``__be32`` is a number, and an address where an event wants one."""

FUNCTIONS_HEAD = '''\
# mypy: ignore-errors
# pyright: basic
"""Functions of a kernel, written by `syscast stubs`: types of arguments and result, then names."""

from typing import Any, Generic as _Generic, ParamSpec as _ParamSpec, TypeVar as _TypeVar
import syscast.kernel as _kernel
from syscast.kernel import _Array, _Be32

_P = _ParamSpec("_P")
_R = _TypeVar("_R")

class FunctionName(str): ...

class _F(FunctionName, _Generic[_P, _R]): ...

'''
RUNNING = '''\
"""Types of the running kernel, written by `syscast stubs`."""

from syscast.kernel import task_struct as task_struct
'''
"""The stub of ``syscast.running``."""
_EXTRA_BASES = {"in6_addr": "_IPv6Address"}
"""Structs that are a Python object where an event wants one."""
_EMPTY = "    ...\n"
_MAX_DEPTH = 64


def struct_stubs(btfs: Sequence[Btf], reserved: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the stub of the structs, unions and enums.

    Args:
        btfs: A kernel's BTF, then those of its modules. The first struct of a name is taken.
        reserved: Names to leave out.
    """
    yield STRUCTS_HEAD
    taken = set(reserved)
    for btf in btfs:
        known: dict[str, int] = dict.fromkeys(taken, 0)
        structs = _Structs(btf, known)
        own = [each for each in _first(btf, taken) if structs.learn(*each)]
        for name, type_id in own:
            yield structs.stub(python_name(name), type_id)
        yield from structs.anonymous_stubs()
        yield from _enum_stubs(btf, known)
        taken |= known.keys()


def _first(btf: Btf, taken: set[str]) -> Iterator[tuple[str, int]]:
    """The first struct of each name that no earlier BTF has."""
    for type_id in btf.ids(Struct):
        found = btf.type(type_id)
        if isinstance(found, Struct) and found.name not in taken and found.name.isidentifier():
            yield found.name, type_id


class _Structs:
    """The classes of one BTF's structs."""

    def __init__(self, btf: Btf, known: dict[str, int]) -> None:
        self._btf = btf
        self._known = known
        self._annotator = Annotator(btf, known)

    def learn(self, name: str, type_id: int) -> bool:
        """Give a struct its class; False where another one has the name already."""
        return self._known.setdefault(name, type_id) == type_id

    def anonymous_stubs(self) -> Iterator[str]:
        """The structs without a name that the others led to, and those that these lead to."""
        done: set[int] = set()
        while len(done) < len(self._annotator.anonymous):
            for type_id, name in list(self._annotator.anonymous.items()):
                if type_id not in done:
                    done.add(type_id)
                    yield self.stub(name, type_id)

    def stub(self, name: str, type_id: int) -> str:
        """One class."""
        struct = self._btf.type(type_id)
        assert isinstance(struct, Struct)
        fields = self._flat(struct, 0)
        hidden = {python_name(each.name) for each in fields}
        bases: dict[str, None] = {}
        lines = []
        for field in fields:
            shown = self._annotator.of(field.type_id, _inner(name, field.name))
            lines.append(f"    {python_name(field.name)}: {shown.spell(hidden)}\n")
            if field.name.startswith("__") and self._is_struct(field.type_id) and shown.name:
                bases[shown.name] = None
        if len(bases) > 1:
            bases = {
                base: None for base in bases if not self._inherited(base, set(bases) - {base})
            }
        extra = _EXTRA_BASES.get(name)
        listed = [*([extra] if extra else []), *(bases or {"_Struct": None})]
        return f"class {name}({', '.join(listed)}):\n{''.join(lines) or _EMPTY}"

    def _flat(self, struct: Struct, depth: int) -> list[Member]:
        """Members, those of unnamed structs in their place."""
        found: list[Member] = []
        for member in struct.members:
            if member.name:
                if member.name.isidentifier() and not member.name.endswith("__"):
                    found.append(member)
                continue
            inner = self._btf.type(self._btf.resolve(member.type_id))
            if isinstance(inner, Struct) and depth < _MAX_DEPTH:
                found += self._flat(inner, depth + 1)
        return found

    def _is_struct(self, type_id: int) -> bool:
        return isinstance(self._btf.type(self._btf.resolve(type_id)), Struct)

    def _inherited(self, name: str, others: set[str]) -> bool:
        """Whether one of the others inherits from this class already: Python orders no such bases."""
        seen: set[str] = set()
        while others:
            other = others.pop()
            seen.add(other)
            struct = self._btf.type(self._known.get(other, 0))
            for field in self._flat(struct, 0) if isinstance(struct, Struct) else ():
                if field.name.startswith("__") and self._is_struct(field.type_id):
                    base = self._annotator.of(field.type_id, _inner(other, field.name)).name
                    if base == name:
                        return True
                    if base not in seen:
                        others.add(base)
        return False


def _inner(owner: str, member: str) -> str:
    """What to call a struct without a name."""
    return f"{owner if owner.startswith('_') else f'_{owner}'}_{member}"


def _enum_stubs(btf: Btf, known: dict[str, int]) -> Iterator[str]:
    for type_id in btf.ids(Enum):
        found = btf.type(type_id)
        if not isinstance(found, Enum) or not found.name.isidentifier() or found.name in known:
            continue
        known[found.name] = type_id
        lines = [
            f"    {python_name(each.name)} = {each.value}\n"
            for each in found.values
            if each.name.isidentifier() and not each.name.startswith("__")
        ]
        yield f"class {python_name(found.name)}(_IntEnum):\n{''.join(lines) or _EMPTY}"


def function_stubs(btfs: Sequence[Btf]) -> Iterator[str]:
    """Yield the stub of the functions: what an editor shows of each."""
    yield FUNCTIONS_HEAD
    taken: set[str] = set()
    for btf in btfs:
        known = dict(_first(btf, set()))
        annotator = Annotator(btf, known)
        made: dict[int, str] = {}
        for type_id in btf.ids(Func):
            found = btf.type(type_id)
            if not isinstance(found, Func) or found.name in taken or not found.name.isidentifier():
                continue
            taken.add(found.name)
            text = made.get(found.type_id)
            if text is None:
                text = made[found.type_id] = _signature(btf, annotator, found.type_id)
            yield f"{python_name(found.name)}: {text}\n"


def _signature(btf: Btf, annotator: Annotator, type_id: int) -> str:
    proto = btf.type(type_id)
    if not isinstance(proto, FuncProto):
        return "FunctionName"
    types = ", ".join([annotator.of(each.type_id).qualified() for each in proto.params])
    names = ", ".join([each.name for each in proto.params])
    returned = annotator.of(proto.return_id).qualified()
    return f"_F[[{types}], {returned}]{names and '  # '}{names}"
