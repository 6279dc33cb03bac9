"""BTF types as C declarations, and function prototypes with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import (
    Array,
    Const,
    Enum,
    FuncProto,
    Fwd,
    Ptr,
    Restrict,
    Struct,
    TypeTag,
    Void,
    Volatile,
)

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf

_MAX_DEPTH = 64
# What compilers call C's integers in debug information, and what people do.
_SPELLINGS = {
    "long int": "long",
    "long unsigned int": "unsigned long",
    "long long int": "long long",
    "long long unsigned int": "unsigned long long",
    "short int": "short",
    "short unsigned int": "unsigned short",
    "_Bool": "bool",
}
_TAGS = {"user": "__user", "percpu": "__percpu", "rcu": "__rcu"}


def declare(btf: Btf, type_id: int, name: str = "") -> str:
    """Spell a type, or the declaration of ``name`` with this type, as C does."""
    inner = name
    qualifiers: list[str] = []
    for _ in range(_MAX_DEPTH):
        found = btf.type(type_id)
        match found:
            case Ptr():
                inner, qualifiers = _pointer(btf, found, inner, qualifiers), []
                type_id = found.type_id
            case Array():
                # `qualifiers` stay: they belong to the elements.
                inner = f"{inner}[{found.count or ''}]"
                type_id = found.element_id
            case FuncProto():
                inner = f"{inner}({parameters(btf, found)})"
                type_id = found.return_id
            case Const() | Volatile() | Restrict():
                qualifiers.append(type(found).__name__.lower())
                type_id = found.type_id
            case TypeTag():
                qualifiers.append(_TAGS.get(found.name, ""))
                type_id = found.type_id
            case _:
                base = _base(btf, type_id)
                words = " ".join([*filter(None, reversed(qualifiers)), base])
                if not inner:
                    return words
                return words + (inner if inner.startswith("[") else f" {inner}")
    return inner


def _pointer(btf: Btf, pointer: Ptr, inner: str, qualifiers: list[str]) -> str:
    """Put a ``*`` before what is declared so far, in parentheses where C needs them."""
    words = " ".join(filter(None, reversed(qualifiers)))
    text = f"*{words} {inner}" if words and inner else f"*{words}{inner}"
    to = btf.type(_unqualified(btf, pointer.type_id))
    return f"({text})" if isinstance(to, (Array, FuncProto)) else text


def _unqualified(btf: Btf, type_id: int) -> int:
    for _ in range(_MAX_DEPTH):
        found = btf.type(type_id)
        if not isinstance(found, (Const, Volatile, Restrict, TypeTag)):
            break
        type_id = found.type_id
    return type_id


def _base(btf: Btf, type_id: int) -> str:
    found = btf.type(type_id)
    if isinstance(found, Void):
        return "void"
    name = getattr(found, "name", "") or "{...}"
    if isinstance(found, (Struct, Fwd)):
        return f"{'union' if found.is_union else 'struct'} {name}"
    if isinstance(found, Enum):
        return f"enum {name}"
    return _SPELLINGS.get(name, name)


def parameters(btf: Btf, proto: FuncProto) -> str:
    """The parameter list without its parentheses."""
    words = [declare(btf, param.type_id, param.name) for param in proto.params]
    if proto.variadic:
        words.append("...")
    return ", ".join(words) or "void"


def prototype(btf: Btf, name: str, proto: FuncProto) -> str:
    """A function's declaration: ``int inet_listen(struct socket *sock, int backlog)``."""
    return declare(btf, proto.return_id, f"{name}({parameters(btf, proto)})")
