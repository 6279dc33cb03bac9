"""Types as C writes them: ``int (*open)(struct inode *, struct file *)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf.types import (
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Var,
    Void,
    Volatile,
)
from syscast.errors import FormatError, TargetError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.btf.types import BtfType, Member

_MAX_STEPS = 20_000
_MAX_LEVEL = 64
_COMMENT_COLUMN = 60
_QUALIFIERS: dict[type, str] = {Const: "const", Volatile: "volatile", Restrict: "restrict"}


def type_name(btf: Btf, type_id: int) -> str:
    """Return a type without a name of its own: ``struct sock *``, ``char[16]``."""
    return _Renderer(btf).declare(type_id, "")


def declaration(btf: Btf, type_id: int, name: str) -> str:
    """Return the declaration of something of this type: ``char comm[16]``."""
    return _Renderer(btf).declare(type_id, name)


def signature(btf: Btf, func_id: int) -> str:
    """Return a function's signature: ``int inet_listen(struct socket *sock, int backlog)``."""
    func = btf.type(func_id)
    if not isinstance(func, Func):
        raise TargetError(f"type {func_id} in '{btf.name}': render: it is not a function")
    return _Renderer(btf).declare(func.type_id, func.name)


def struct_lines(btf: Btf, type_id: int, depth: int = 1) -> list[str]:
    """Render a struct or union, one line per member, with offset and size in bytes.

    A bit field's offset reads ``byte:bit``.

    Args:
        btf: Where the type is.
        type_id: A struct or union, or a typedef of one.
        depth: How many levels of structs to expand; anonymous ones do not count.
    """
    struct_id = btf.resolve(type_id)
    struct = btf.type(struct_id)
    if not isinstance(struct, Struct):
        raise TargetError(f"type '{type_name(btf, type_id)}': render: it is not a struct or union")
    renderer = _Renderer(btf)
    lines = [f"{_head(struct)} {{"]
    renderer.add_members(lines, struct, 0, depth)
    lines.append(_comment("};", f"size {struct.size}"))
    return lines


def _head(struct: Struct) -> str:
    return f"{'union' if struct.is_union else 'struct'} {struct.name}".rstrip()


def _comment(text: str, comment: str) -> str:
    return f"{text:<{_COMMENT_COLUMN}} /* {comment} */"


class _Renderer:
    """Counts its steps: types of hostile BTF may unfold without end."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._steps = 0
        self._level = 0

    def _step(self, length: int = 0) -> None:
        self._steps += 1 + length // 64
        if self._steps > _MAX_STEPS or self._level > _MAX_LEVEL:
            raise FormatError(f"btf '{self._btf.name}': render: a type is too large or endless")

    def declare(self, type_id: int, name: str) -> str:
        """Wrap the name from the inside out, as C's declarators do, until a plain type is left."""
        declarator = name
        qualifiers: list[str] = []
        tags: list[str] = []
        while True:
            self._step(len(declarator))
            found = self._btf.type(type_id)
            match found:
                case (
                    Const(type_id=type_id) | Volatile(type_id=type_id) | Restrict(type_id=type_id)
                ):
                    qualifiers.append(_QUALIFIERS[type(found)])
                case TypeTag(type_id=type_id):
                    tags.append(_tag(found))
                case Ptr(type_id=type_id):
                    words = " ".join((*tags, *qualifiers))
                    space = " " if words and declarator else ""
                    declarator = f"*{words}{space}{declarator}"
                    qualifiers, tags = [], []
                    if isinstance(self._btf.type(type_id), Array | FuncProto):
                        declarator = f"({declarator})"
                case Array(element_id=type_id, count=count):
                    declarator = f"{declarator}[{count or ''}]"
                case FuncProto(return_id=type_id):
                    declarator = f"{declarator}({self._params(found)})"
                case _:
                    break
        base = _plain(found)
        self._step(len(base))
        base = " ".join((*reversed(qualifiers), base, *reversed(tags)))
        space = "" if declarator[:1] in {"", "["} else " "
        return f"{base}{space}{declarator}"

    def _params(self, proto: FuncProto) -> str:
        self._level += 1
        params = [self.declare(param.type_id, param.name) for param in proto.params]
        self._level -= 1
        if proto.variadic:
            params.append("...")
        return ", ".join(params) or "void"

    def add_members(self, lines: list[str], struct: Struct, bit_offset: int, depth: int) -> None:
        """Append the lines of a struct's members; ``bit_offset`` is where the struct starts."""
        indent = _indent(lines)
        self._level += 1
        for member in struct.members:
            self._step()
            at = bit_offset + member.bit_offset
            inner = self._btf.type(self._btf.resolve(member.type_id))
            expand = isinstance(inner, Struct) and (depth > 1 or not member.name)
            if isinstance(inner, Struct) and expand:
                lines.append(f"{indent}{_head(inner)} {{")
                self.add_members(lines, inner, at, depth - 1 if member.name else depth)
                end = f"}} {member.name}".rstrip()
                lines.append(_comment(f"{indent}{end};", f"{at // 8:5} {inner.size:5}"))
            else:
                lines.append(self._member_line(indent, member, at))
        self._level -= 1

    def _member_line(self, indent: str, member: Member, at: int) -> str:
        text = self.declare(member.type_id, member.name)
        if member.bitfield_size:
            text = f"{indent}{text}:{member.bitfield_size};"
            return _comment(text, f"{at // 8:5}:{at % 8}")
        try:
            size = f"{self._btf.size_of(member.type_id):5}"
        except TargetError:
            size = "    ?"
        return _comment(f"{indent}{text};", f"{at // 8:5} {size}")


def _indent(lines: list[str]) -> str:
    """Return the indentation of what comes inside of the last line."""
    last = lines[-1]
    return " " * (len(last) - len(last.lstrip()) + 4)


def _tag(tag: TypeTag) -> str:
    return f"__attribute__(({tag.name}))" if tag.attribute else f"__{tag.name}"


def _plain(found: BtfType) -> str:
    match found:
        case Void():
            return "void"
        case Struct():
            return _head(found) if found.name else f"{_head(found)} {{...}}"
        case Enum(name=name):
            return f"enum {name}" if name else "enum {...}"
        case Fwd(name=name, is_union=is_union):
            return f"{'union' if is_union else 'struct'} {name}"
        case Int() | Typedef() | Func() | Var() | DataSec() | Float() | DeclTag():
            return found.name
        case _:
            raise FormatError("btf: render: a type that no declaration can name")
