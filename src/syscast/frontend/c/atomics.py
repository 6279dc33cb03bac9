"""Changes of memory in one step: gcc's ``__sync_*`` and ``__atomic_*``, and the kernel's names for them.

An addition whose result nobody takes is what every kernel has; all others came with v5.12 (see `ops.Atomic`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import ir_type
from syscast.frontend.c.conversions import number as constant
from syscast.frontend.c.dialect import arguments
from syscast.frontend.c.types import INT, VOID, Pointer, is_integer
from syscast.frontend.c.values import CValue
from syscast.ir import ops
from syscast.ir.ops import AtomicOp, Predicate

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.types import CType
    from syscast.ir.types import Value

_OPERATORS = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}
_MACHINE = {
    "add": AtomicOp.ADD,
    "sub": AtomicOp.ADD,
    "and": AtomicOp.AND,
    "or": AtomicOp.OR,
    "xor": AtomicOp.XOR,
}


def handlers() -> dict[str, Handler]:
    """What lowers the calls, by name."""
    made: dict[str, Handler] = {"lock_xadd": partial(_fetch, "add", new=False)}
    for name in _OPERATORS:
        made[f"__sync_fetch_and_{name}"] = partial(_fetch, name, new=False)
        made[f"__sync_{name}_and_fetch"] = partial(_fetch, name, new=True)
        made[f"__atomic_fetch_{name}"] = partial(_fetch, name, new=False)
        made[f"__atomic_{name}_fetch"] = partial(_fetch, name, new=True)
    for name in ("xchg", "__sync_lock_test_and_set", "__atomic_exchange_n"):
        made[name] = _exchange
    for name in ("cmpxchg", "__sync_val_compare_and_swap"):
        made[name] = partial(_compare_and_swap, truth=False)
    made["__sync_bool_compare_and_swap"] = partial(_compare_and_swap, truth=True)
    return made


def _target(low: Lowering, call: c_ast.FuncCall, least: int) -> tuple[Value, CType]:
    """The address that is changed, and what it points to."""
    given = arguments(call)
    if len(given) < least:
        name = call.name.name
        low.error(call, f"'{name}' takes {least} arguments, {len(given)} given")
    target = low.expr(given[0])
    pointed = target.ctype.to if isinstance(target.ctype, Pointer) else None
    if pointed is None or pointed.size not in {4, 8}:
        low.error(given[0], "this is no address of an integer of 32 or 64 bits")
    if not is_integer(pointed) and not isinstance(pointed, Pointer):
        low.error(given[0], f"a '{pointed.spelling}' cannot be changed in one step")
    return target.made, pointed


def _word(low: Lowering, node: c_ast.Node, ctype: CType) -> CValue:
    return low.convert(low.expr(node), ctype)


def _fetch(name: str, low: Lowering, call: c_ast.FuncCall, *, new: bool) -> CValue:
    """The old value, or the new one; memory gets the new one."""
    address, ctype = _target(low, call, 2)
    value = _word(low, arguments(call)[1], ctype)
    operand = low.binary("-", constant(0, ctype), value) if name == "sub" else value
    operand = low.convert(operand, ctype)
    machine = _MACHINE[name]
    if low.alone is call and machine is AtomicOp.ADD:
        low.emit(ops.AtomicAdd(address, operand.made))
        return CValue(VOID, None)
    result = low.reg(ir_type(ctype))
    low.emit(ops.Atomic(result, machine, address, operand.made))
    old = CValue(ctype, result)
    return low.convert(low.binary(_OPERATORS[name], old, value), ctype) if new else old


def _exchange(low: Lowering, call: c_ast.FuncCall) -> CValue:
    address, ctype = _target(low, call, 2)
    value = _word(low, arguments(call)[1], ctype)
    result = low.reg(ir_type(ctype))
    low.emit(ops.Atomic(result, AtomicOp.XCHG, address, value.made))
    return CValue(ctype, result)


def _compare_and_swap(low: Lowering, call: c_ast.FuncCall, *, truth: bool) -> CValue:
    """What was there, or whether that was what was expected and has been replaced."""
    address, ctype = _target(low, call, 3)
    expected = _word(low, arguments(call)[1], ctype)
    value = _word(low, arguments(call)[2], ctype)
    result = low.reg(ir_type(ctype))
    low.emit(ops.Atomic(result, AtomicOp.CMPXCHG, address, value.made, expected=expected.made))
    if not truth:
        return CValue(ctype, result)
    same = low.compare(Predicate.EQ, result, expected.made)
    return CValue(INT, low.convert_to(same, ir_type(INT)))
