"""Builtins of the compiler itself: what gcc and clang know without a declaration, as far as BPF can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.compatibility import compatible
from syscast.frontend.c.conversions import convert, number
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.expressions import array_element, part
from syscast.frontend.c.inlining import wants
from syscast.frontend.c.membernames import member_names
from syscast.frontend.c.naming import near
from syscast.frontend.c.types import (
    INT,
    LONG,
    SIZE_T,
    VOID,
    Array,
    Record,
    find_member,
)
from syscast.frontend.c.values import CValue, Place
from syscast.ir.types import Const

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.types import CType

    _Count: TypeAlias = Callable[[int, int], int]


def handlers() -> dict[str, Handler]:
    """What lowers the calls, by name."""
    made: dict[str, Handler] = {
        "__builtin_expect": _expect,
        "__builtin_constant_p": _constant_p,
        "__builtin_choose_expr": _choose,
        "__builtin_types_compatible_p": _compatible,
        "__builtin_unreachable": _unreachable,
        "__builtin_trap": _unreachable,
        "__builtin_preserve_access_index": _same,
        "__builtin_assume_aligned": _same,
        "offsetof": offset_of,
        "__builtin_offsetof": offset_of,
    }
    for kind, count in (("clz", _clz), ("ctz", _ctz), ("popcount", _popcount), ("ffs", _ffs)):
        for suffix, bits in (("", 32), ("l", 64), ("ll", 64)):
            made[f"__builtin_{kind}{suffix}"] = _Counted(count, bits)
    return made


def _expect(low: Lowering, call: c_ast.FuncCall) -> CValue:
    value, _, *_ = wants(low, call, 2, 3)
    return convert(low, low.expr(value), LONG)


def _same(low: Lowering, call: c_ast.FuncCall) -> CValue:
    return low.expr(wants(low, call, 1, 3)[0])


def _constant_p(low: Lowering, call: c_ast.FuncCall) -> CValue:
    (value,) = wants(low, call, 1)
    return number(int(low.constant(value) is not None))


def _choose(low: Lowering, call: c_ast.FuncCall) -> CValue:
    condition, then, other = wants(low, call, 3)
    known = low.needed_constant(condition, "the condition of __builtin_choose_expr")
    return low.expr(then if known else other)


def _compatible(low: Lowering, call: c_ast.FuncCall) -> CValue:
    one, other = (_type(low, each) for each in wants(low, call, 2))
    return number(int(compatible(one, other)))


def _type(low: Lowering, node: c_ast.Node) -> CType:
    return low.ctype(node) if isinstance(node, c_ast.Typename) else low.type_of(node)


def _unreachable(low: Lowering, call: c_ast.FuncCall) -> CValue:
    """What never happens; should it happen all the same, the program ends with 0."""
    wants(low, call, 0)
    low.finish()
    return CValue(VOID, None)


def offset_of(low: Lowering, call: c_ast.FuncCall) -> CValue:
    """``offsetof(struct s, a.b[2])``."""
    record, path = wants(low, call, 2)
    base = Place(_type(low, record), ptr=Const(0, ANY))
    place = _along(low, base, path)
    if place.bits is not None:
        low.error(path, "a bit field has no offset in bytes")
    return number(place.offset, SIZE_T)


def _along(low: Lowering, base: Place, node: c_ast.Node) -> Place:
    if isinstance(node, c_ast.ID):
        return _member(low, base, node)
    if isinstance(node, c_ast.StructRef) and node.type == ".":
        return _member(low, _along(low, base, node.name), node.field)
    if isinstance(node, c_ast.ArrayRef):
        outer = _along(low, base, node.name)
        if isinstance(outer.ctype, Array):
            index = low.needed_constant(node.subscript, "an index in offsetof")
            return array_element(low, outer, number(index, LONG))
    low.error(node, "this is no path of members", "write offsetof(struct name, member)")


def _member(low: Lowering, base: Place, node: c_ast.Node) -> Place:
    record, name = base.ctype, node.name
    if not isinstance(record, Record):
        low.error(node, f"'{name}' is asked of a '{record.spelling}', which is no struct or union")
    found = find_member(record, name)
    if found is None:
        hint = near(name, set(member_names(record)))
        low.error(node, f"'{record.spelling}' has no member '{name}'", hint)
    return part(base, found)


# ---------------------------------------------------------------- counting bits


class _Counted:
    """Counts bits of a number that is known now; the machine has no instruction for it."""

    def __init__(self, count: _Count, bits: int) -> None:
        self._count = count
        self._bits = bits

    def __call__(self, low: Lowering, call: c_ast.FuncCall) -> CValue:
        (node,) = wants(low, call, 1)
        value = low.constant(node)
        if value is None:
            low.expr(node)
            name = call.name.name
            hint = "BPF has no instruction for it; bpf_log2l() finds the highest bit"
            low.error(call, f"'{name}' of what is not known when the text is compiled", hint)
        return number(self._count(value & (1 << self._bits) - 1, self._bits), INT)


def _clz(value: int, bits: int) -> int:
    return bits - value.bit_length()


def _ctz(value: int, bits: int) -> int:
    return (value & -value).bit_length() - 1 if value else bits


def _popcount(value: int, _bits: int) -> int:
    return value.bit_count()


def _ffs(value: int, _bits: int) -> int:
    return (value & -value).bit_length()
