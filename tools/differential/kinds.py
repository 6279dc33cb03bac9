"""Which machine kind an expression has: what the language decides from the text, before any value is known.

A variable, and a value out of several branches, is U64 where any of what it is given is U64. This is found here once more, as
a fixed point over Python's own syntax tree, independent of the compiler.
"""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING

from differential.integers import I64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Kind(Enum):
    """What the language takes an expression for."""

    BOOL = "bool"
    I64 = "i64"
    U64 = "u64"
    OTHER = "other"
    UNKNOWN = "unknown"  # of a variable that no assignment looked at so far gives a kind


_SHIFTS = (ast.LShift, ast.RShift)
_INTEGERS = frozenset({Kind.BOOL, Kind.I64, Kind.U64})
CASTS = dict.fromkeys(("u8", "u16", "u32", "i8", "i16", "i32", "i64", "len", "wrap32"), Kind.I64)
CASTS |= {"u64": Kind.U64, "wrap64": Kind.U64, "now": Kind.U64}


class Kinds:
    """Kinds of one function's expressions.

    Attributes:
        variables: Of its variables, parameters included.
    """

    def __init__(
        self,
        function: ast.FunctionDef,
        parameters: Mapping[str, Kind],
        functions: Mapping[str, ast.FunctionDef] | None = None,
    ) -> None:
        self.variables: dict[str, Kind] = dict(parameters)
        self._function = function
        self._functions = functions or {}
        while self._round(function):
            pass

    def of(self, node: ast.expr) -> Kind:  # noqa: PLR0911  (one for each sort of node)
        """The kind of an expression."""
        match node:
            case ast.Constant(value=bool()) | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return Kind.BOOL
            case ast.Constant(value=int(number)):
                return Kind.U64 if number > I64_MAX else Kind.I64
            case ast.BinOp() | ast.UnaryOp() if (known := folded(node)) is not None:
                return Kind.U64 if known > I64_MAX else Kind.I64
            case ast.UnaryOp(op=ast.UAdd()):
                return self._integer(self.of(node.operand))
            case ast.UnaryOp():
                return Kind.I64
            case ast.Name():
                return self.variables.get(node.id, Kind.UNKNOWN)
            case ast.NamedExpr(target=ast.Name(id=name)):
                return self.variables.get(name, self.of(node.value))
            case ast.BinOp():
                left = self._integer(self.of(node.left))
                right = self._integer(self.of(node.right))
                return left if isinstance(node.op, _SHIFTS) else joined((left, right))
            case ast.IfExp():
                return joined((self.of(node.body), self.of(node.orelse)))
            case ast.BoolOp():
                return joined(self.of(each) for each in node.values)
            case ast.Call():
                return self._call(node)
            case _:
                return Kind.OTHER

    def _call(self, node: ast.Call) -> Kind:
        if isinstance(node.func, ast.Attribute):
            return Kind.BOOL if node.func.attr in {"startswith", "endswith"} else Kind.OTHER
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "bool":
            return Kind.BOOL
        if name in {"min", "max"}:
            kinds = [self._integer(self.of(each)) for each in node.args]
            # Of both kinds, the smaller one fits an i64 and the greater one a u64.
            return Kind.I64 if name == "min" and Kind.I64 in kinds else joined(kinds)
        if name in {"int", "abs"} and node.args:
            return self._integer(self.of(node.args[0]))
        if name in self._functions:
            return self.callee(node).returned()
        return CASTS.get(name, Kind.OTHER)

    def callee(self, node: ast.Call) -> Kinds:
        """The kinds inside a function for this call of it: each call has its own."""
        assert isinstance(node.func, ast.Name)
        function = self._functions[node.func.id]
        names = [each.arg for each in function.args.args]
        given = dict(zip(names, node.args, strict=False))
        defaults = function.args.defaults
        given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)) | given
        given |= {each.arg: each.value for each in node.keywords if each.arg}
        return Kinds(
            function, {name: self.of(each) for name, each in given.items()}, self._functions
        )

    def returned(self) -> Kind:
        """The kind of what the function returns."""
        return joined(
            self.of(each.value) if each.value is not None else Kind.OTHER
            for each in ast.walk(self._function)
            if isinstance(each, ast.Return)
        )

    @staticmethod
    def _integer(kind: Kind) -> Kind:
        return Kind.I64 if kind is Kind.BOOL else kind

    # ------------------------------------------------------------ variables

    def _round(self, function: ast.FunctionDef) -> bool:
        before = dict(self.variables)
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[*targets]):
                    for target in targets:
                        self._assigned(target, node.value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value)
                    | ast.NamedExpr(target=target, value=value)
                ):
                    self._assigned(target, value)
                case ast.AugAssign():
                    assert isinstance(node.target, ast.Name)
                    load = ast.Name(node.target.id, ast.Load())
                    self._give(node.target.id, self.of(ast.BinOp(load, node.op, node.value)))
                case ast.MatchAs(name=str(name)):
                    self._give(name, Kind.I64)
                case ast.For(target=ast.Name(id=name)):
                    self._give(name, self._counter(node.iter))
                case _:
                    pass
        return self.variables != before

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for each, part in zip(target.elts, value.elts, strict=True):
                self._assigned(each, part)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Call):  # divmod
            for each in target.elts:
                self._assigned(each, ast.BinOp(value.args[0], ast.FloorDiv(), value.args[1]))
        elif isinstance(target, ast.Name):
            self._give(target.id, self.of(value))

    def _counter(self, iterated: ast.expr) -> Kind:
        """The kind of a loop's variable: of the range's start and step, U64 where one is."""
        if isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name):
            if iterated.func.id == "bounded":
                return self._counter(iterated.args[0])
            if iterated.func.id == "range":
                return joined(self._integer(self.of(each)) for each in iterated.args)
        if isinstance(iterated, ast.Tuple):
            return joined(self._integer(self.of(each)) for each in iterated.elts)
        return Kind.OTHER

    def _give(self, name: str, kind: Kind) -> None:
        kind = joined((self.variables.get(name, Kind.UNKNOWN), kind))
        if kind is not Kind.UNKNOWN:
            self.variables[name] = kind


_FOLDED = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)


def folded(node: ast.expr) -> int | None:
    """The number that an expression of literals is, which the compiler knows beforehand; else None."""
    if not all(isinstance(each, _FOLDED) for each in ast.walk(node)):
        return None
    try:
        value: object = eval(compile(ast.Expression(node), "<constant>", "eval"))  # noqa: S307
    except (ArithmeticError, ValueError):
        return None
    return int(value) if isinstance(value, int) else None


def joined(kinds: Iterable[Kind]) -> Kind:
    """The kind of a value that is one of several."""
    found = set(kinds) - {Kind.UNKNOWN}
    if not found:
        return Kind.UNKNOWN
    if not found <= _INTEGERS:
        return Kind.OTHER
    if Kind.U64 in found:
        return Kind.U64
    return Kind.I64 if Kind.I64 in found else Kind.BOOL
