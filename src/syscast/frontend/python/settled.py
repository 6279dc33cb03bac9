"""Tests that a call has settled: ``if limit is None`` where the caller gave a limit, or none.

A function is lowered anew for each call, so what depends on its constant arguments is decided
there, and the way not taken is not lowered: it would hold None for a number. The probe's own
statements are lowered whatever their tests say, so that every mistake in them is found.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.values import PtrValue, PyValue

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.values import Lowered

_PLAIN = (bool, int, str, bytes)


def settled(low: Lowering, test: ast.expr) -> bool | None:
    """What a test in a called function comes to, by the arguments of this call; None if it depends."""
    if not low.stack:
        return None
    match test:
        case ast.UnaryOp(op=ast.Not()):
            inner = settled(low, test.operand)
            return None if inner is None else not inner
        case ast.BoolOp():
            return _several(low, test)
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            none = _is_none(_named(low, test.left))
            return none if none is None or isinstance(test.ops[0], ast.Is) else not none
        case _:
            value = _named(low, test)
            known = value.value if isinstance(value, PyValue) else ...
            return bool(known) if known is None or isinstance(known, _PLAIN) else None


def _several(low: Lowering, test: ast.BoolOp) -> bool | None:
    """``and``, ``or``: settled by the first operand that decides, if those before it are settled."""
    decides = isinstance(test.op, ast.Or)
    for operand in test.values:
        verdict = settled(low, operand)
        if verdict is None:
            return None
        if verdict is decides:
            return decides
    return not decides


def _named(low: Lowering, node: ast.expr) -> Lowered | None:
    """What a name of the function stands for; only its kind counts for a variable."""
    if not isinstance(node, ast.Name):
        return None
    held = low.constants.get(node.id) or low.bound.get(node.id)
    if held is not None:
        return held
    local = low.locals.get(node.id)
    if local is None or node.id not in low.assigned or node.id in low.poisoned:
        return None
    return None if isinstance(local.shape, PyValue) else local.shape


def _is_none(value: Lowered | None) -> bool | None:
    """Whether a value is None; a pointer may be, when the probe runs."""
    if value is None or isinstance(value, PtrValue):
        return None
    return isinstance(value, PyValue) and value.value is None
