"""Integer constant expressions: what they come to, with C's types, before any code is made.

Used for lengths of arrays, widths of bit fields, enumerators, case labels and sizes of maps. Also
folds what compilers fold beyond the standard: addresses of members under a constant pointer, as in
``&((struct sock *)0)->sk_protocol``, and byte swaps of constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

from pycparser import c_ast

from syscast.frontend.c import literals
from syscast.frontend.c.basictypes import char
from syscast.frontend.c.compatibility import compatible
from syscast.frontend.c.names import Enumerator, Names, did_you_mean
from syscast.frontend.c.types import (
    INT,
    LONG,
    SIZE_T,
    UNSIGNED_INT,
    UNSIGNED_LONG_LONG,
    UNSIGNED_SHORT,
    Array,
    Bool,
    CType,
    Enum,
    Int,
    Pointer,
    Record,
    TypeProblem,
    common,
    find_member,
    promoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Fail(Protocol):
    """Reports a finding at a node; does not come back."""

    def __call__(self, node: c_ast.Node, message: str, hint: str = "") -> NoReturn:
        """Raise the error."""
        ...


class TypeOf(Protocol):
    """Gives the type of an expression without evaluating it, or of a `Typename`."""

    def __call__(self, node: c_ast.Node) -> CType:
        """The type."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """A constant; of a pointer the address."""

    value: int
    type: CType


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a constant lvalue lies."""

    at: int
    type: CType


_SWAPS = {
    name: (size, ctype)
    for size, ctype, bits in (
        (2, UNSIGNED_SHORT, "16"),
        (4, UNSIGNED_INT, "32"),
        (8, UNSIGNED_LONG_LONG, "64"),
    )
    for name in (
        f"__builtin_bswap{bits} cpu_to_be{bits} be{bits}_to_cpu __cpu_to_be{bits} __be{bits}_to_cpu"
        f" __constant_cpu_to_be{bits} swab{bits} __swab{bits}"
    ).split()
} | {
    f"{prefix}{way}{letter}": (size, ctype)
    for size, ctype, letter in (
        (2, UNSIGNED_SHORT, "s"),
        (4, UNSIGNED_INT, "l"),
        (8, UNSIGNED_LONG_LONG, "ll"),
    )
    for way in ("ntoh", "hton")
    for prefix in ("", "bpf_", "__constant_")
}
_OFFSETOF = frozenset({"offsetof", "__builtin_offsetof"})
_ALIGNOF = frozenset({"_Alignof", "__alignof__", "__alignof", "alignof"})


class Evaluator:
    """Evaluates constant expressions of one text."""

    def __init__(self, names: Names, arch: str, fail: Fail, *, type_of: TypeOf) -> None:
        """Nothing is evaluated yet.

        Args:
            names: For enumerators.
            arch: The machine, for characters.
            fail: Where `integer` reports what is not constant.
            type_of: The type of an expression or a `Typename`.
        """
        self._names = names
        self._char = char(arch)
        self._fail = fail
        self._type_of = type_of
        self._handlers: dict[str, Callable[[c_ast.Node], Value | None]] = {
            "Constant": self._constant,
            "ID": self._name,
            "UnaryOp": self._unary,
            "BinaryOp": self._binary,
            "TernaryOp": self._ternary,
            "Cast": self._cast,
            "FuncCall": self._call,
            "StructRef": self._decayed,
            "ArrayRef": self._decayed,
        }

    def integer(self, node: c_ast.Node, what: str) -> int:
        """The value of an expression that must be an integer constant.

        Args:
            node: The expression.
            what: What it is for, in the message: ``the length of an array``.
        """
        try:
            found = self.value(node)
        except TypeProblem as problem:
            self._fail(node, problem.message, problem.hint)
        except ValueError:
            self._fail(node, f"{what} has a malformed constant")
        if found is None or not isinstance(found.type, Int | Bool | Enum):
            unknown = self._unknown(node)
            if unknown:
                hint = did_you_mean(self._names.near(unknown))
                self._fail(node, f"'{unknown}' is not declared", hint)
            self._fail(node, f"{what} must be an integer constant")
        return found.value

    def _unknown(self, node: c_ast.Node) -> str:
        """A name inside of an expression that nobody declares; "" without."""
        if isinstance(node, c_ast.ID):
            return "" if self._names.lookup(node.name) else str(node.name)
        for part, child in node.children():
            found = "" if part in {"name", "field"} else self._unknown(child)
            if found:
                return found
        return ""

    def value(self, node: c_ast.Node) -> Value | None:
        """The value of an expression; None where it is not constant.

        Raises:
            TypeProblem: It is wrong in itself: the size of an incomplete type, a number too large.
        """
        handler = self._handlers.get(type(node).__name__)
        return handler(node) if handler else None

    # ------------------------------------------------------------ leaves

    def _constant(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.Constant)
        if (
            node.type in {"char", "unsigned char", "wchar_t", "char16_t", "char32_t"}
            or node.value[-1:] == "'"
        ):
            return Value(literals.character(node.value, signed=self._char.signed), INT)
        if node.type == "string" or node.value[-1:] == '"':
            return None
        if "float" in node.type or "double" in node.type:
            return None
        return Value(*literals.integer_literal(node.value))

    def _name(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.ID)
        found = self._names.lookup(node.name)
        return Value(found.value, found.type) if isinstance(found, Enumerator) else None

    # ------------------------------------------------------------ operators

    def _unary(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.UnaryOp)
        if node.op == "sizeof":
            return Value(self._sizeof(node.expr), SIZE_T)
        if node.op in _ALIGNOF:
            return Value(self._operand_type(node.expr).align, SIZE_T)
        if node.op == "&":
            found = self._address(node.expr)
            return Value(found.at, Pointer(found.type)) if found else None
        if node.op == "*":
            return self._decayed(node)
        operand = self.value(node.expr)
        return _apply_unary(node.op, operand) if operand else None

    def _sizeof(self, node: c_ast.Node) -> int:
        ctype = self._operand_type(node)
        if isinstance(ctype, Enum) and not ctype.complete:
            raise TypeProblem(f"'{ctype.spelling}' has no size: it is incomplete")
        return ctype.size

    def _operand_type(self, node: c_ast.Node) -> CType:
        if isinstance(node, c_ast.Constant) and node.value[-1:] == '"':
            return Array(self._char, len(literals.string_bytes(node.value)) + 1)
        if not isinstance(node, c_ast.Typename):
            found = self._address(node)
            if found:
                return found.type
        return self._type_of(node)

    def _binary(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.BinaryOp)
        left = self.value(node.left)
        if left is None:
            return None
        if node.op in {"&&", "||"}:
            if bool(left.value) == (node.op == "||"):
                return Value(int(node.op == "||"), INT)
            right = self.value(node.right)
            return Value(int(right.value != 0), INT) if right else None
        right = self.value(node.right)
        if right is None:
            return None
        if isinstance(left.type, Pointer) or isinstance(right.type, Pointer):
            return _pointer_binary(node.op, left, right)
        return _apply_binary(node.op, left, right)

    def _ternary(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.TernaryOp)
        condition = self.value(node.cond)
        if condition is None:
            return None
        chosen, other = (node.iftrue, node.iffalse)[:: 1 if condition.value else -1]
        found = self.value(chosen)
        if found is None:
            return None
        rest = self.value(other)
        both = (found.type, rest.type if rest else found.type)
        if isinstance(both[0], Int | Bool | Enum) and isinstance(both[1], Int | Bool | Enum):
            ctype = common(both[0], both[1])
            return Value(ctype.wrap(found.value), ctype)
        return found

    def _cast(self, node: c_ast.Node) -> Value | None:
        assert isinstance(node, c_ast.Cast)
        ctype = self._type_of(node.to_type)
        operand = self.value(node.expr)
        return converted(operand.value, ctype) if operand else None

    # ------------------------------------------------------------ calls

    def _call(self, node: c_ast.Node) -> Value | None:
        """Calls that the compiler answers itself, unless the text has a function of that name."""
        assert isinstance(node, c_ast.FuncCall)
        if not isinstance(node.name, c_ast.ID) or self._names.declared(node.name.name):
            return None
        name, args = node.name.name, node.args.exprs if node.args else []
        found: Value | None = None
        match len(args):
            case 1 if name in _SWAPS:
                found = self._swapped(name, args[0])
            case 1 if name == "__builtin_constant_p":
                found = Value(int(self.value(args[0]) is not None), INT)
            case 2 if name in _OFFSETOF:
                found = Value(self._offset_of(args[0], args[1]), SIZE_T)
            case 2 if name == "__builtin_types_compatible_p":
                alike = compatible(self._type_of(args[0]), self._type_of(args[1]))
                found = Value(int(alike), INT)
            case 2 if name == "__builtin_expect":
                found = self.value(args[0])
            case 3 if name == "__builtin_choose_expr":
                condition = self.value(args[0])
                found = self.value(args[1 if condition.value else 2]) if condition else None
            case _:
                pass
        return found

    def _swapped(self, name: str, node: c_ast.Node) -> Value | None:
        operand = self.value(node)
        if operand is None:
            return None
        size, ctype = _SWAPS[name]
        held = (operand.value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        return Value(int.from_bytes(held, "big"), ctype)

    def _offset_of(self, record: c_ast.Node, member: c_ast.Node) -> int:
        found = self._member_of(_Address(0, self._type_of(record)), member)
        if found is None:
            raise TypeProblem("offsetof takes a type and a member: the index must be constant")
        return found.at

    def _member_of(self, base: _Address, node: c_ast.Node) -> _Address | None:
        """Follow ``a.b[2].c`` as `offsetof` writes it."""
        if isinstance(node, c_ast.ID):
            return _member(base, node.name)
        if isinstance(node, c_ast.StructRef):
            outer = self._member_of(base, node.name)
            return _member(outer, node.field.name) if outer else None
        if isinstance(node, c_ast.ArrayRef):
            outer = self._member_of(base, node.name)
            index = self.value(node.subscript)
            if outer is None or index is None or not isinstance(outer.type, Array):
                return None
            return _Address(outer.at + index.value * outer.type.of.size, outer.type.of)
        return None

    # ------------------------------------------------------------ addresses

    def _address(self, node: c_ast.Node) -> _Address | None:
        """Where an lvalue under a constant pointer lies; None for any other expression."""
        if isinstance(node, c_ast.StructRef):
            base = self._pointee(node.name) if node.type == "->" else self._address(node.name)
            return _member(base, node.field.name) if base else None
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            return self._pointee(node.expr)
        if isinstance(node, c_ast.ArrayRef):
            base = self._pointee(node.name)
            index = self.value(node.subscript)
            if base is None or index is None:
                return None
            return _Address(base.at + index.value * base.type.size, base.type)
        return None

    def _pointee(self, node: c_ast.Node) -> _Address | None:
        found = self.value(node)
        if found is None or not isinstance(found.type, Pointer):
            return None
        return _Address(found.value, found.type.to)

    def _decayed(self, node: c_ast.Node) -> Value | None:
        """An array under a constant pointer is constant itself, as the address of its first element."""
        found = self._address(node)
        if found is None or not isinstance(found.type, Array):
            return None
        return Value(found.at, Pointer(found.type.of))


def converted(value: int, ctype: CType) -> Value | None:
    """A constant after a cast; None where the type has no constants."""
    if isinstance(ctype, Int | Bool):
        return Value(ctype.wrap(value), ctype)
    if isinstance(ctype, Enum):
        return Value(ctype.underlying.wrap(value), ctype)
    if isinstance(ctype, Pointer):
        return Value(value & ((1 << 64) - 1), ctype)
    return None


def _member(base: _Address, name: str) -> _Address | None:
    if not isinstance(base.type, Record):
        return None
    found = find_member(base.type, name)
    if found is None:
        raise TypeProblem(f"'{base.type.spelling}' has no member '{name}'")
    if found.bit_size:
        raise TypeProblem(f"'{name}' is a bit field: it has no address")
    return _Address(base.at + found.offset, found.type)


def _apply_unary(op: str, operand: Value) -> Value | None:
    if op == "!":
        return Value(int(operand.value == 0), INT)
    if not isinstance(operand.type, Int | Bool | Enum):
        return None
    ctype = promoted(operand.type)
    results = {"-": -operand.value, "+": operand.value, "~": ~operand.value}
    return Value(ctype.wrap(results[op]), ctype) if op in results else None


def _apply_binary(op: str, left: Value, right: Value) -> Value | None:
    if not isinstance(left.type, Int | Bool | Enum) or not isinstance(
        right.type, Int | Bool | Enum
    ):
        return None
    if op in {"<<", ">>"}:
        return _shifted(op, left.value, promoted(left.type), right.value)
    ctype = common(left.type, right.type)
    a, b = ctype.wrap(left.value), ctype.wrap(right.value)
    if op in _COMPARE:
        return Value(int(_COMPARE[op](a, b)), INT)
    if op in {"/", "%"}:
        return _divided(op, a, b, ctype)
    return Value(ctype.wrap(_ARITHMETIC[op](a, b)), ctype) if op in _ARITHMETIC else None


def _shifted(op: str, value: int, ctype: Int, count: int) -> Value:
    """Counts are taken modulo the width, as BPF does at run time."""
    count &= ctype.bits - 1
    value = ctype.wrap(value)
    return Value(ctype.wrap(value << count if op == "<<" else value >> count), ctype)


def _divided(op: str, a: int, b: int, ctype: Int) -> Value | None:
    """Toward zero; dividing by zero is no constant."""
    if b == 0:
        return None
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return Value(ctype.wrap(quotient if op == "/" else a - quotient * b), ctype)


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}


def _pointer_binary(op: str, left: Value, right: Value) -> Value | None:
    if op in _COMPARE:
        return Value(int(_COMPARE[op](left.value, right.value)), INT)
    if isinstance(left.type, Pointer) and isinstance(right.type, Pointer):
        if op != "-":
            return None
        return Value((left.value - right.value) // left.type.to.size, LONG)
    pointer, other = (left, right) if isinstance(left.type, Pointer) else (right, left)
    if not isinstance(pointer.type, Pointer) or (op != "+" and (op != "-" or pointer is right)):
        return None
    step = other.value * pointer.type.to.size
    return converted(pointer.value + (step if op == "+" else -step), pointer.type)
