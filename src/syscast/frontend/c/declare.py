"""C declarations on their way to types: specifiers, declarators, struct and union bodies, enums, attributes.

What is taken in here: typedefs, tags and enumerators, into the scopes of `Names`. Variables and functions are
for the caller: he asks for their types and declares them as what they are to him.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.basictypes import basic
from syscast.frontend.c.btftypes import enumerator_type
from syscast.frontend.c.constants import Evaluator
from syscast.frontend.c.layout import Field, lay_out
from syscast.frontend.c.names import Enumerator, TypeName, did_you_mean
from syscast.frontend.c.nodes import AutoType, Typeof
from syscast.frontend.c.types import (
    MAX_ALIGN,
    Array,
    Bool,
    CType,
    Enum,
    FunctionType,
    Int,
    Parameter,
    Pointer,
    Record,
    TypeProblem,
    Void,
    decayed,
    integer,
    named,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.frontend.c.constants import Fail, TypeOf
    from syscast.frontend.c.names import Names
    from syscast.frontend.c.nodes import Attribute

_POINTER_TAGS = frozenset({"user", "percpu", "rcu"})
_MODES = {"QI": 1, "byte": 1, "HI": 2, "SI": 4, "DI": 8, "word": 8, "pointer": 8, "TI": 16}
_LARGEST = 1 << 32


class Declarations:
    """Makes types of the declarations of one text.

    Attributes:
        constants: Evaluates constant expressions of the same text.
    """

    def __init__(self, names: Names, arch: str, fail: Fail, *, type_of: TypeOf) -> None:
        """Nothing is declared yet.

        Args:
            names: Where typedefs, tags and enumerators go.
            arch: ``x86_64`` or ``aarch64``.
            fail: Reports a finding.
            type_of: The type of an expression that is no `Typename`, for ``typeof`` and ``sizeof``.
        """
        self._names = names
        self._arch = arch
        self._fail = fail
        self._type_of_expression = type_of
        self._defined: dict[int, tuple[c_ast.Node, object, CType]] = {}
        self.constants: Evaluator = Evaluator(names, arch, fail, type_of=self.type_of)

    # ------------------------------------------------------------ for the caller

    def type_of(self, node: c_ast.Node) -> CType:
        """The type of an expression, which is not evaluated, or of a `Typename`."""
        if isinstance(node, c_ast.Typename):
            return self.of(node)
        return self._type_of_expression(node)

    def of(self, node: c_ast.Node) -> CType:
        """The type of a declaration (`Decl`, `Typename`, `Typedef`) or of a part of one.

        Declares the tags and enumerators that it defines on the way. ``int a[] = {...}`` has no length yet.
        """
        try:
            return self._of(node)
        except TypeProblem as problem:
            self._fail(node, problem.message, problem.hint)

    def typedef(self, node: c_ast.Typedef) -> CType:
        """Take in a typedef; returns its type."""
        ctype = self.of(node)
        before = self._names.declare(node.name, TypeName(named(ctype, node.name)))
        if before is not None and not (isinstance(before, TypeName) and before.type == ctype):
            self._fail(node, f"'{node.name}' is declared again as another type")
        return ctype

    def tag(self, node: c_ast.Decl) -> None:
        """Take in a declaration without a name: ``struct s { ... };``, ``struct s;``, ``enum { A, B };``."""
        inner = node.type
        if isinstance(inner, c_ast.Struct | c_ast.Union) and not inner.decls and inner.name:
            self._names.forward(_kind(inner), inner.name)
        else:
            self.of(node)

    def alignment(self, node: c_ast.Node) -> int:
        """What ``aligned`` and ``_Alignas`` of a declaration ask for, in bytes; 0 without."""
        return self._aligned(node)

    # ------------------------------------------------------------ declarators

    def _of(self, node: c_ast.Node) -> CType:
        if isinstance(node, c_ast.Decl | c_ast.Typedef | c_ast.Typename):
            return self._with_mode(node, self._of(node.type))
        if isinstance(node, c_ast.PtrDecl):
            return Pointer(self._of(node.type), _pointer_tag(node))
        if isinstance(node, c_ast.ArrayDecl):
            return self._array(node)
        if isinstance(node, c_ast.FuncDecl):
            return self._function(node)
        if isinstance(node, c_ast.TypeDecl):
            return self._of(node.type)
        return self._specified(node)

    def _array(self, node: c_ast.ArrayDecl) -> CType:
        element = self._of(node.type)
        if isinstance(element, Void | FunctionType) or (
            isinstance(element, Array | Record) and not element.complete
        ):
            self._fail(node, f"an array of '{element.spelling}' is not possible: it has no size")
        if node.dim is None:
            return Array(element, None)
        count = self.constants.integer(node.dim, "the length of an array")
        if count < 0:
            self._fail(node.dim, f"an array cannot have {count} elements")
        if count * element.size >= _LARGEST:
            self._fail(node.dim, "an array is larger than 4 GiB")
        return Array(element, count)

    def _function(self, node: c_ast.FuncDecl) -> FunctionType:
        returns = self._of(node.type)
        if node.args is None:
            return FunctionType(returns, None)
        nodes = list(node.args.params)
        variadic = bool(nodes) and isinstance(nodes[-1], c_ast.EllipsisParam)
        if variadic:
            nodes.pop()
        if any(isinstance(each, c_ast.ID) for each in nodes):
            self._fail(node, "parameters need types")
        parameters = tuple(
            Parameter(getattr(each, "name", None) or "", decayed(self._of(each))) for each in nodes
        )
        if len(parameters) == 1 and isinstance(parameters[0].type, Void) and not variadic:
            parameters = ()
        return FunctionType(returns, parameters, variadic)

    # ------------------------------------------------------------ specifiers

    def _specified(self, node: c_ast.Node) -> CType:
        if isinstance(node, c_ast.IdentifierType):
            return self._named(node)
        if isinstance(node, c_ast.Struct | c_ast.Union | c_ast.Enum):
            return self._tagged(node)
        if isinstance(node, Typeof | c_ast.TypeOf):
            return self.type_of(node.expr)
        if isinstance(node, AutoType | c_ast.InferredType):
            raise TypeProblem("the type of '__auto_type' comes from an initializer: there is none")
        raise TypeProblem("this type is not supported")

    def _tagged(self, node: c_ast.Struct | c_ast.Union | c_ast.Enum) -> CType:
        """One type for all declarators behind one definition: ``struct { int x; } a, b;``."""
        scope = self._names.innermost
        defined = self._defined.get(id(node))
        if defined is not None and defined[0] is node and defined[1] is scope:
            return defined[2]
        ctype = self._enum(node) if isinstance(node, c_ast.Enum) else self._record(node)
        if (node.values if isinstance(node, c_ast.Enum) else node.decls) is not None:
            self._defined[id(node)] = (node, scope, ctype)
        return ctype

    def _named(self, node: c_ast.IdentifierType) -> CType:
        words = [word for word in node.names if word not in {"const", "volatile"}]
        found = basic(words, self._arch)
        if found is None and len(words) == 1:
            found = self._names.typedef(words[0])
        if found is None:
            name = " ".join(words)
            hint = did_you_mean(self._names.near_type(name))
            self._fail(node, f"'{name}' is no type", hint)
        return found

    def _record(self, node: c_ast.Struct | c_ast.Union) -> CType:
        kind, tag = _kind(node), node.name or ""
        if node.decls is None:
            return self._names.tag(kind, tag)
        record = self._names.new_record(kind, tag)
        fields = tuple(self._fields(node))
        packed = has_attribute(node, "packed")
        body = record.body
        body.attributes = frozenset(_deprecations(node))
        aligned, most = self._aligned(node), self._pack(node)
        lay_out(body, fields, self._arch, packed=packed, aligned=aligned, most=most)
        self._check_names(node, record)
        return record

    def _fields(self, node: c_ast.Struct | c_ast.Union) -> Iterator[Field]:
        decls = [each for each in node.decls if isinstance(each, c_ast.Decl)]
        for each in decls:
            ctype = self.of(each)
            if isinstance(ctype, FunctionType):
                self._fail(each, f"member '{each.name}' cannot be a function")
            if isinstance(ctype, Array) and ctype.count is None and each is not decls[-1]:
                self._fail(each, f"only the last member can have no length, not '{each.name}'")
            width = None if each.bitsize is None else self._width(each, ctype)
            if not each.name and width is None and not isinstance(ctype, Record):
                continue  # "int;" and "enum { A, B };" declare no member
            if not each.name and isinstance(ctype, Record) and ctype.tag and width is None:
                if each.type.decls is not None:
                    continue  # "struct tag { ... };" inside declares the tag only
                self._fail(each, "this declares no member: it has no name")
            packed = has_attribute(each, "packed")
            yield Field(each.name or "", ctype, width, self._aligned(each), packed)

    def _width(self, node: c_ast.Decl, ctype: CType) -> int:
        width = self.constants.integer(node.bitsize, "the width of a bit field")
        what = f"bit field '{node.name}'" if node.name else "an unnamed bit field"
        if not isinstance(ctype, Int | Bool | Enum):
            self._fail(node, f"{what} cannot have the type '{ctype.spelling}'")
        most = 1 if isinstance(ctype, Bool) else 8 * ctype.size
        if not 0 <= width <= most or (width == 0 and node.name):
            self._fail(node, f"{what} cannot have {width} bits: its type has {most}")
        return width

    def _check_names(self, node: c_ast.Node, record: Record) -> None:
        seen: set[str] = set()
        for name in _names_inside(record):
            if name in seen:
                self._fail(node, f"'{record.spelling}' has two members '{name}'")
            seen.add(name)

    def _enum(self, node: c_ast.Enum) -> CType:
        tag = node.name or ""
        if node.values is None:
            return self._names.tag("enum", tag)
        made = self._names.new_enum(tag)
        values: dict[str, int] = {}
        following = 0
        for each in node.values.enumerators:
            if not isinstance(each, c_ast.Enumerator):
                continue
            if each.value is not None:
                following = self.constants.integer(each.value, f"the value of '{each.name}'")
            if isinstance(self._names.declared_here(each.name), Enumerator) or each.name in values:
                self._fail(each, f"'{each.name}' is declared twice")
            values[each.name] = following
            self._names.declare(each.name, Enumerator(following, enumerator_type(following)))
            following += 1
        made.body.define(values, self._enum_size(node, values))
        return made

    def _enum_size(self, node: c_ast.Enum, values: dict[str, int]) -> int:
        """0 lets the values decide."""
        if not has_attribute(node, "packed"):
            return 0
        signed = min(values.values(), default=0) < 0
        for size in (1, 2, 4, 8):
            most = 1 << 8 * size - signed
            if all(-most <= value < most for value in values.values()):
                return size
        return 8

    # ------------------------------------------------------------ attributes

    def _with_mode(self, node: c_ast.Node, ctype: CType) -> CType:
        """``__attribute__((mode(DI)))`` gives an integer another size."""
        for each in attributes(node):
            if each.name == "mode" and each.args and isinstance(ctype, Int):
                word = getattr(each.args[0], "name", "").strip("_")
                size = _MODES.get(word)
                if size is None:
                    self._fail(node, f"mode '{word}' is not supported")
                return integer(size, signed=ctype.signed)
        return ctype

    def _aligned(self, node: c_ast.Node) -> int:
        found = 0
        for each in attributes(node):
            if each.name == "aligned":
                asked = (
                    self.constants.integer(each.args[0], "an alignment")
                    if each.args
                    else MAX_ALIGN
                )
                found = max(found, self._power(node, asked))
        for each in getattr(node, "align", None) or ():
            if isinstance(each, c_ast.Alignas):
                inner = each.alignment
                is_type = isinstance(inner, c_ast.Typename)
                asked = (
                    self.of(inner).align
                    if is_type
                    else self.constants.integer(inner, "an alignment")
                )
                found = max(found, self._power(node, asked))
        return found

    def _power(self, node: c_ast.Node, asked: int) -> int:
        if asked < 0 or asked & (asked - 1) or asked > 1 << 28:
            self._fail(node, f"an alignment must be a power of two, not {asked}")
        return asked

    def _pack(self, node: c_ast.Node) -> int:
        """What ``#pragma pack(n)`` over a struct says."""
        for each in attributes(node):
            if each.name == "pack" and each.args:
                return self.constants.integer(each.args[0], "the argument of #pragma pack")
        return 0


def attributes(node: c_ast.Node) -> Iterator[Attribute]:
    """The attributes that a node carries."""
    for each in getattr(node, "attributes", None) or ():
        if hasattr(each, "args"):
            yield each


def has_attribute(node: c_ast.Node, name: str) -> bool:
    """Whether a node carries an attribute, named without underscores around."""
    return any(each.name == name for each in attributes(node))


def _deprecations(node: c_ast.Node) -> Iterator[str]:
    """Bcc marks structs that stand for packets by ``deprecated("packet")``."""
    for each in attributes(node):
        if each.name == "deprecated":
            for argument in each.args:
                value = getattr(argument, "value", "")
                yield str(value).strip('"')


def _kind(node: c_ast.Node) -> str:
    return "union" if isinstance(node, c_ast.Union) else "struct"


def _pointer_tag(node: c_ast.Node) -> str:
    for each in attributes(node):
        if each.name in _POINTER_TAGS:
            return each.name
    return ""


def _names_inside(record: Record) -> Iterator[str]:
    for each in record.members:
        if each.name:
            yield each.name
        elif isinstance(each.type, Record):
            yield from _names_inside(each.type)
