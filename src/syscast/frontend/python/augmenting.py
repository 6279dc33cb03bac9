"""``+=`` and ``-=`` on state: one atomic instruction, or a reason why not."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.aggregating import add
from syscast.frontend.python.eventing import fit
from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.mapvalues import StructAt, key_of, place_of, refuse_copy, struct_at
from syscast.frontend.python.statebytes import (
    as_u64,
)
from syscast.frontend.python.statenames import (
    field_of,
    hint_of,
    how_to_add,
    need_keys,
    state_of,
    with_article,
)
from syscast.frontend.python.values import (
    ElementValue,
    IntValue,
    Lowered,
    PyValue,
)
from syscast.ir.ops import (
    AtomicAdd,
    Binary,
    BinaryOp,
)
from syscast.ir.types import Const, IntType, Value
from syscast.state.cells import Cells
from syscast.state.counter import Counter
from syscast.state.maps import Var
from syscast.state.state import State

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.spec.meta import FieldMeta


_WORD = 4


def augment(low: Lowering, statement: ast.AugAssign) -> bool:
    """``m[k] += n`` and the like; False where the target is no state."""
    target = statement.target
    if isinstance(target, ast.Name):
        return _augment_name(low, statement, target)
    if isinstance(target, ast.Attribute):
        struct = struct_at(low, target.value)
        if struct is not None:
            _augment_field(low, statement, target, struct)
            return True
        base = low.in_place(target.value)
        refuse_copy(low, target, base, f"{_sign(statement)} {ast.unparse(statement.value)}")
    else:
        base = low.expr(target.value)
    state = state_of(base)
    if isinstance(base, ElementValue) and isinstance(target, ast.Attribute):
        field = field_of(low, target, base)
        _check_sum(low, statement, field if field.kind == "int" else None)
        _atomic(low, statement, base.pointer, field, low.integer(statement.value))
    elif state is not None and isinstance(target, ast.Subscript):
        key = (target.slice, low.expr(target.slice))
        if isinstance(state, Cells):
            need_keys(low, target, state)
            _count(low, statement, state, key, target.value)
        else:
            _augment_value(low, statement, state, target, key)
    elif isinstance(state, Var) and isinstance(target, ast.Attribute) and target.attr == "value":
        _augment_value(low, statement, state, target, (target, PyValue(0)))
    else:
        return _augment_held(low, statement, target, base)
    return True


def _augment_field(
    low: Lowering, statement: ast.AugAssign, target: ast.Attribute, struct: StructAt
) -> None:
    """``m[k].a += n``: a missing key is a KeyError before n is evaluated, or put in after."""
    base = None if struct.defaults else struct.place()
    amount = low.integer(statement.value)
    if base is None or any(isinstance(each, ast.Call) for each in ast.walk(statement.value)):
        base = struct.place()  # what was called may have changed the map
    field = field_of(low, target, base)
    _check_sum(low, statement, field if field.kind == "int" else None)
    _atomic(low, statement, base.pointer, field, amount)


def _augment_value(
    low: Lowering,
    statement: ast.AugAssign,
    state: State,
    target: ast.Subscript | ast.Attribute,
    key: tuple[ast.expr, Lowered],
) -> None:
    """``m[k] += n``, ``a[i] += n``, ``var.value += n``."""
    _check_sum(low, statement, state.plan.value.number)
    amount = low.integer(statement.value)
    access = Access(low, target, state, hint_of(target.value))
    pointer = place_of(access, key_of(access, key))
    _atomic(low, statement, pointer, state.plan.value.fields[0], amount)


def _augment_held(
    low: Lowering,
    statement: ast.AugAssign,
    target: ast.Subscript | ast.Attribute,
    base: Lowered,
) -> bool:
    """``module.counter += n``."""
    if isinstance(base, PyValue) and isinstance(target, ast.Attribute):
        held: object = getattr(base.value, target.attr, None)
        if isinstance(held, State) and state_of(base) is None:
            if not isinstance(held, Cells):
                raise low.rejection(
                    statement,
                    f"`+=` does not add to {with_article(held)}",
                    "give it a key or .value",
                )
            _count(low, statement, held, None, target)
            return True
    return False


def _augment_name(low: Lowering, statement: ast.AugAssign, target: ast.Name) -> bool:
    found, held = low.outer.outer(target.id) if low.outer else (False, None)
    if target.id in low.locals or not found or not isinstance(held, State):
        return False
    if isinstance(held, Var):
        cure = f"write {target.id}.value {_sign(statement)} {ast.unparse(statement.value)}"
    else:
        cure = how_to_add(held, target)
    raise low.rejection(
        statement, f"'{target.id}' would become a local variable of the probe, in Python too", cure
    )


def _sign(statement: ast.AugAssign) -> str:
    return "-=" if isinstance(statement.op, ast.Sub) else "+="


def _count(
    low: Lowering,
    statement: ast.AugAssign,
    state: Cells[object],
    key: tuple[ast.expr, Lowered] | None,
    where: ast.expr,
) -> None:
    if not isinstance(state, Counter) or (key is None and state.keys_shape is not None):
        raise low.rejection(
            statement, f"`+=` does not add to {with_article(state)}", how_to_add(state, where)
        )
    if not isinstance(statement.op, ast.Add):
        raise low.rejection(statement, "counters only grow", how_to_add(state, where))
    amount = low.integer(statement.value)
    add(low, statement.target, state, key, amount, hint_of(where))


def _check_sum(low: Lowering, statement: ast.AugAssign, number: object) -> None:
    """Only what the machine does in one step is atomic."""
    target = ast.unparse(statement.target)
    if not isinstance(statement.op, ast.Add | ast.Sub):
        raise low.rejection(
            statement,
            "only += and -= are atomic in a map",
            f"write {target} = {target} ... where no other CPU changes it at the same time",
        )
    if number is None:
        raise low.rejection(statement, f"{target} is not an integer that can be added to")
    if getattr(number, "size", 0) < _WORD:
        raise low.rejection(
            statement,
            "an integer of 8 or 16 bits cannot be added to atomically",
            "declare it as u32 or u64",
        )


def _atomic(
    low: Lowering, statement: ast.AugAssign, pointer: Value, field: FieldMeta, amount: IntValue
) -> None:
    """Add to an integer in a map; it wraps at its width."""
    span = low.span(statement)
    number: Value
    if field.size == _WORD:
        number = fit(low, statement.value, amount.value, IntType(32, signed=field.signed), "+=")
    else:
        number = as_u64(low, statement, amount.value)
    if isinstance(statement.op, ast.Sub):
        assert isinstance(number.type, IntType)
        negated = low.reg(number.type)
        low.add(Binary(negated, BinaryOp.SUB, Const(0, number.type), number, span=span))
        number = negated
    low.add(AtomicAdd(pointer, number, field.offset, span=span))
