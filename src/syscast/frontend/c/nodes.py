"""Syntax that GNU C has and pycparser does not: nodes beside those of ``pycparser.c_ast``.

What is kept as pycparser's own: a type as an argument is a ``c_ast.Typename`` in the call's ``ExprList``; ``offsetof(type, member)`` is a call of
``ID("offsetof")``; a kept pragma (``unroll``) is a ``c_ast.Pragma`` before its loop.

``attributes`` is a list of `Attribute` on ``Decl``, ``Typedef``, ``Typename``, ``Struct``, ``Union``, ``Enum``, ``Enumerator``, ``TypeDecl``,
``FuncDecl``, ``PtrDecl`` and ``ArrayDecl``. Those of a declarator stand on its ``Decl`` too; those of a function's definition on ``FuncDef.decl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pycparser import c_ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pycparser.c_parser import Coord

    class _Node:
        """What of ``c_ast.Node`` is overridden here: pycparser ships no types, and a class needs to know its base."""

        __slots__ = ()
        attr_names: ClassVar[tuple[str, ...]]
        coord: Coord | None

else:
    _Node = c_ast.Node


class _Extra(_Node):
    """A node whose children are named in ``_parts``: nodes, lists of nodes, None."""

    __slots__ = ()
    _parts: ClassVar[tuple[str, ...]] = ()

    def children(self) -> tuple[tuple[str, c_ast.Node], ...]:
        """Name and node of each child, as all nodes of pycparser have them."""
        found: list[tuple[str, c_ast.Node]] = []
        for part in self._parts:
            value = getattr(self, part)
            if isinstance(value, c_ast.Node):
                found.append((part, value))
            elif isinstance(value, (list, tuple)):
                found.extend(
                    (f"{part}[{at}]", each)
                    for at, each in enumerate(value)
                    if isinstance(each, c_ast.Node)
                )
        return tuple(found)

    def __iter__(self) -> Iterator[c_ast.Node]:
        return iter([child for _, child in self.children()])


class Attribute(_Extra):
    """``name(args)`` in ``__attribute__((...))``; the name without surrounding underscores. ``asm`` is an assembler name (``asm("x")``).

    Attributes:
        name: ``packed``, ``aligned``, ``section``; ``pack`` is ``#pragma pack(n)`` over the struct it stands on.
        args: Expressions, types or, for what is neither, plain ``ID`` nodes.
    """

    __slots__ = ("__weakref__", "args", "coord", "name")
    attr_names: ClassVar[tuple[str, ...]] = ("name",)
    _parts = ("args",)

    def __init__(
        self, name: str, args: tuple[c_ast.Node, ...], coord: Coord | None = None
    ) -> None:
        self.name: str = name
        self.args: tuple[c_ast.Node, ...] = args
        self.coord: Coord | None = coord


class StmtExpr(_Extra):
    """``({ ... })``: its value is that of the last expression statement."""

    __slots__ = ("__weakref__", "body", "coord")
    _parts = ("body",)

    def __init__(self, body: c_ast.Compound, coord: Coord | None = None) -> None:
        self.body: c_ast.Compound = body
        self.coord: Coord | None = coord


class Typeof(_Extra):
    """``typeof(expression)`` or ``typeof(type)``, standing as a type; the operand is not evaluated."""

    __slots__ = ("__weakref__", "coord", "expr")
    _parts = ("expr",)

    def __init__(self, expr: c_ast.Node, coord: Coord | None = None) -> None:
        self.expr: c_ast.Node = expr
        self.coord: Coord | None = coord


class AutoType(_Extra):
    """``__auto_type``: the type of the initializer."""

    __slots__ = ("__weakref__", "coord")

    def __init__(self, coord: Coord | None = None) -> None:
        self.coord: Coord | None = coord


class Elvis(_Extra):
    """``cond ?: iffalse``: cond, evaluated once, where it is not zero."""

    __slots__ = ("__weakref__", "cond", "coord", "iffalse")
    _parts = ("cond", "iffalse")

    def __init__(self, cond: c_ast.Node, iffalse: c_ast.Node, coord: Coord | None = None) -> None:
        self.cond: c_ast.Node = cond
        self.iffalse: c_ast.Node = iffalse
        self.coord: Coord | None = coord


class Range(_Extra):
    """``first ... last`` in a ``case`` (as ``Case.expr``) or a designator (as ``ArrayDesignator.subscript``)."""

    __slots__ = ("__weakref__", "coord", "first", "last")
    _parts = ("first", "last")

    def __init__(self, first: c_ast.Node, last: c_ast.Node, coord: Coord | None = None) -> None:
        self.first: c_ast.Node = first
        self.last: c_ast.Node = last
        self.coord: Coord | None = coord


class Operand(_Extra):
    """``[name] "constraint" (expr)`` of an `Asm`."""

    __slots__ = ("__weakref__", "constraint", "coord", "expr", "name")
    attr_names: ClassVar[tuple[str, ...]] = ("name", "constraint")
    _parts = ("expr",)

    def __init__(
        self, name: str, constraint: str, expr: c_ast.Node, coord: Coord | None = None
    ) -> None:
        self.name: str = name
        self.constraint: str = constraint
        self.expr: c_ast.Node = expr
        self.coord: Coord | None = coord


class Asm(_Extra):
    """``asm volatile ("template" : outputs : inputs : clobbers);``; texts without their quotes."""

    __slots__ = ("__weakref__", "clobbers", "coord", "inputs", "outputs", "template", "volatile")
    attr_names: ClassVar[tuple[str, ...]] = ("template", "clobbers", "volatile")
    _parts = ("outputs", "inputs")

    def __init__(
        self,
        template: str,
        operands: tuple[tuple[Operand, ...], tuple[Operand, ...]],
        clobbers: tuple[str, ...],
        *,
        volatile: bool,
        coord: Coord | None = None,
    ) -> None:
        self.template: str = template
        self.outputs: tuple[Operand, ...] = operands[0]
        self.inputs: tuple[Operand, ...] = operands[1]
        self.clobbers: tuple[str, ...] = clobbers
        self.volatile: bool = volatile
        self.coord: Coord | None = coord
