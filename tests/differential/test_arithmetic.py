"""Every checked operation, compiled and run by the kernel, against Python's own integers."""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING

import pytest
from harness import Case, Machine

from syscast.codegen.child import Child
from syscast.ir import ops
from syscast.ir.ops import CheckedOp, Predicate
from syscast.ir.types import BOOL, I8, I32, I64, U8, U16, U32, U64, Const, IntType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.kernel

NEAR = (0, 1, 2, 3, 5, 7, 10, 31, 32, 63, 64, 65, 127, 128, 255, 1000)
POWERS = (1 << 15, 1 << 16, 1 << 31, 1 << 32, 3037000499, 3037000500, 1 << 53, 1 << 62, 1 << 63)
BOUNDARY = sorted(
    {
        value
        for base in (*NEAR, *POWERS, 1 << 64, 0x123456789ABCDEF)
        for value in (base, -base, base - 1, 1 - base)
    }
)
CONSTANTS = (0, 1, 2, 3, 10, 63, 64, 1000, 1 << 31, 1 << 62, -1, -2, -10, -(1 << 63))
PYTHON: dict[CheckedOp, Callable[[int, int], int]] = {
    CheckedOp.ADD: operator.add,
    CheckedOp.SUB: operator.sub,
    CheckedOp.MUL: operator.mul,
    CheckedOp.FLOORDIV: operator.floordiv,
    CheckedOp.MOD: operator.mod,
    CheckedOp.LSHIFT: operator.lshift,
    CheckedOp.RSHIFT: operator.rshift,
    CheckedOp.AND: operator.and_,
    CheckedOp.OR: operator.or_,
    CheckedOp.XOR: operator.xor,
}
COMPARISONS: dict[Predicate, Callable[[int, int], bool]] = {
    Predicate.EQ: operator.eq,
    Predicate.NE: operator.ne,
    Predicate.SLT: operator.lt,
    Predicate.SLE: operator.le,
    Predicate.SGT: operator.gt,
    Predicate.SGE: operator.ge,
}


def limits(type_: IntType) -> tuple[int, int]:
    if type_.signed:
        return -(1 << type_.bits - 1), (1 << type_.bits - 1) - 1
    return 0, (1 << type_.bits) - 1


def values(kind: IntType | Const | None) -> list[int]:
    if not isinstance(kind, IntType):
        return [kind.value if kind else 0]
    low, high = limits(kind)
    return [value for value in BOUNDARY if low <= value <= high]


def answer(function: Callable[[int, int], int], a: int, b: int, result: IntType) -> int | str:
    """Python's answer, or the exception that the language gives in its place."""
    if function in {operator.lshift, operator.rshift} and b > 64:
        b = 64  # the same answer, without a number of 2 ** 63 bits
    try:
        exact = function(a, b)
    except (ZeroDivisionError, ValueError) as error:
        return type(error).__name__
    low, high = limits(result)
    return int(exact) if low <= exact <= high else "OverflowError"


def result_type(op: CheckedOp, a: IntType, b: IntType) -> IntType:
    """As the front end chooses it."""
    wide_a, wide_b = (U64 if kind == U64 else I64 for kind in (a, b))
    if op in {CheckedOp.LSHIFT, CheckedOp.RSHIFT}:
        return wide_a
    return U64 if U64 in {wide_a, wide_b} else I64


def type_of(kind: IntType | Const) -> IntType:
    type_ = kind.type if isinstance(kind, Const) else kind
    assert isinstance(type_, IntType)
    return type_


def checked_case(op: CheckedOp, a: IntType | Const, b: IntType | Const) -> Case:
    result = result_type(op, type_of(a), type_of(b))
    name = f"{type_of(a)} {op.value} {b if isinstance(b, Const) else type_of(b)}"
    return Case(
        name,
        a,
        b,
        lambda made, x, y: ops.Checked(result=made, op=op, a=x, b=y, site=0),
        result,
    )


def verify(cases: list[Case], python: list[Callable[[int, int], int]]) -> None:
    wrong = []
    ran = 0
    with Child() as child:
        machine = Machine(cases, child)
    try:
        for number, (case, function) in enumerate(zip(cases, python, strict=True)):
            for a, b in product(values(case.a), values(case.b)):
                want = answer(function, a, b, case.result)
                got = machine.run(number, a, b)
                ran += 1
                if got != want:
                    wrong.append(f"{case.name}: {a}, {b}: {got}, not {want}")
    finally:
        machine.close()
    assert not wrong, "\n".join([f"{len(wrong)} of {ran}", *wrong[:20]])


def constants(kind: IntType) -> Iterator[Const]:
    for value in CONSTANTS:
        low, high = limits(kind)
        if low <= value <= high:
            yield Const(value, kind)


@pytest.mark.parametrize("op", list(CheckedOp), ids=lambda op: op.name.lower())
def test_every_pair_of_kinds_gives_pythons_answer(op: CheckedOp) -> None:
    cases = [checked_case(op, a, b) for a in (I64, U64) for b in (I64, U64)]
    verify(cases, [PYTHON[op]] * len(cases))


@pytest.mark.parametrize("op", list(CheckedOp), ids=lambda op: op.name.lower())
def test_constants_and_narrow_operands_give_pythons_answer(op: CheckedOp) -> None:
    cases = [checked_case(op, a, b) for a in (I64, U64) for b in (*constants(I64), Const(5, U64))]
    cases += [checked_case(op, b, a) for a in (I64, U64) for b in (Const(-7, I64), Const(7, I64))]
    cases += [checked_case(op, a, b) for a, b in ((U16, U8), (U32, I64), (I32, U32), (I64, U8))]
    cases += [checked_case(op, a, b) for a, b in ((U64, U32), (U32, U64), (I8, U64), (U64, I8))]
    verify(cases, [PYTHON[op]] * len(cases))


def test_comparisons_are_of_numbers() -> None:
    kinds = (I64, U64, I32, U32)
    cases, python = [], []
    for pred, function in COMPARISONS.items():
        for a, b in product(kinds, kinds):
            cases.append(
                Case(
                    f"{a} {pred.value} {b}",
                    a,
                    b,
                    lambda made, x, y, pred=pred: ops.ExactCompare(
                        result=made, pred=pred, a=x, b=y
                    ),
                    BOOL,
                )
            )
            python.append(function)
    verify(cases, python)


def test_conversions_keep_the_number_or_raise() -> None:
    cases = [
        Case(
            f"{target}({source})",
            source,
            None,
            lambda made, x, _: ops.CheckedConvert(result=made, a=x, site=0),
            target,
        )
        for source in (I64, U64)
        for target in (I64, U64, I32, U32, U16, I8, U8)
    ]
    verify(cases, [lambda a, _: a] * len(cases))


def test_signed_division_in_c_rounds_to_zero() -> None:
    def divide(a: int, b: int) -> int:
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)

    cases = [
        Case(
            f"{op.value} {b}",
            I64,
            Const(b, I64),
            lambda made, x, y, op=op: ops.Binary(result=made, op=op, a=x, b=y),
            I64,
        )
        for op in (ops.BinaryOp.SDIV, ops.BinaryOp.SREM)
        for b in (1, 3, -3, 10, -(1 << 63))
    ]
    python = [divide] * 5 + [lambda a, b: a - b * divide(a, b)] * 5
    verify(cases, python)
