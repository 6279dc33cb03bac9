"""Functions on integers and membership: what a program answers, against CPython's answer."""

from __future__ import annotations

from itertools import product

import pytest
from probing import I64, U64, Probes, Raised, in_python
from test_arithmetic import BOUNDARY

import syscast as sc
from syscast import i8, i16, i32, i64, u8, u16, u32, u64, wrap32, wrap64

pytestmark = pytest.mark.kernel

PORTS = (22, 80, 443)
ODD = frozenset({1, -1, 3, 1 << 62})
STEPS = range(-20, 1000, 7)
DOWN = range(100, -100, -9)
EMPTY = range(5, 5)


class Answer(sc.Event):
    value: sc.i64


class Wide(sc.Event):
    value: sc.u64


SIGNED = sorted({each for each in BOUNDARY if -(1 << 63) <= each < 1 << 63})
UNSIGNED = sorted({each for each in BOUNDARY if 0 <= each < 1 << 64})


def check(functions, kinds, pools):
    """Every function on every pair of inputs."""
    probes = Probes(functions, kinds)
    wrong, outcomes = [], set()
    try:
        for number, function in enumerate(functions):
            for values in product(*pools):
                want = in_python(function, *values)
                got = probes.run(number, *values)
                got = got.exception if isinstance(got, Raised) else got
                outcomes.add(type(want).__name__ if not isinstance(want, str) else want)
                if got != want:
                    wrong.append(f"{function.__name__}{values}: {got}, not {want}")
    finally:
        probes.close()
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
    return outcomes


def cast_u8(a):
    return Answer(value=u8(a))


def cast_u16(a):
    return Answer(value=u16(a))


def cast_u32(a):
    return Answer(value=u32(a))


def cast_u64(a):
    return Wide(value=u64(a))


def cast_i8(a):
    return Answer(value=i8(a))


def cast_i16(a):
    return Answer(value=i16(a))


def cast_i32(a):
    return Answer(value=i32(a))


def cast_i64(a):
    return Answer(value=i64(a))


def absolute(a):
    return Answer(value=abs(a))


def to_int(a):
    return Answer(value=int(a > 3) + int(bool(a)))


def wrapped32(a):
    return Answer(value=wrap32(a))


def wrapped_not(a):
    return Wide(value=wrap64(~a - -a))


def power(a):
    return Answer(value=a**3)


def power_five(a):
    return Answer(value=pow(a, 5))


def power_zero(a):
    return Answer(value=a**0)


def in_tuple(a):
    return Answer(value=a in PORTS)


def in_set(a):
    return Answer(value=a in ODD)


def not_in_list(a):
    return Answer(value=a not in [80, a - a, 3])


def in_nothing(a):
    return Answer(value=a in ())  # noqa: RUF060  (it is the point)


def in_range(a):
    return Answer(value=a in range(64))


def in_steps(a):
    return Answer(value=a in STEPS)


def in_steps_down(a):
    return Answer(value=a in DOWN)


def in_empty(a):
    return Answer(value=a in EMPTY)


def chained_in(a):
    return Answer(value=0 < a in PORTS != 5)


def smallest_of_tuple(a):
    return Answer(value=min((a, 100, -5)))


def greatest_of_captured(a):
    return Answer(value=max(PORTS) + max(min(STEPS), -3) + (a & 1))


ONE = [
    cast_u8,
    cast_u16,
    cast_u32,
    cast_u64,
    cast_i8,
    cast_i16,
    cast_i32,
    cast_i64,
    absolute,
    to_int,
    wrapped32,
    wrapped_not,
    power,
    power_five,
    power_zero,
    in_tuple,
    in_set,
    not_in_list,
    in_nothing,
    in_range,
    in_steps,
    in_steps_down,
    in_empty,
    smallest_of_tuple,
    greatest_of_captured,
]


def test_functions_of_one_signed_number():
    extra = [-20, -13, 99, 100, 22, 443, -98, -89, 64]
    outcomes = check(ONE, [I64], [sorted({*SIGNED, *extra})])
    assert outcomes >= {"Answer", "Wide", "OverflowError"}


def test_functions_of_one_unsigned_number():
    check(ONE, [U64], [UNSIGNED])


def between(a, b):
    return Answer(value=a in range(b))


def between_both(a, b):
    return Answer(value=100 in range(a, b))


def stepped(a, b):
    return Answer(value=a in range(-7, 300, b))


def stepped_from(a, b):
    return Answer(value=b in range(a, 1 << 63, 1 << 31))


def smallest(a, b):
    return Answer(value=min(a, b, 1000))


def greatest(a, b):
    return Wide(value=max(a, b))


def quotient_once(a, b):
    return Answer(value=max(divmod(a, b)))


def wrapped(a, b):
    return Wide(value=wrap64(a * b + (a << 3) - (b ^ 5)))


def wrapped_shift(a, b):
    return Wide(value=wrap64((a + 1) << b))


def wrapped_inner_exact(a, b):
    return Answer(value=wrap32(a * b + (a >> 1)))


TWO = [
    between,
    between_both,
    stepped,
    stepped_from,
    smallest,
    greatest,
    wrapped,
    wrapped_inner_exact,
]
FEW = [0, 1, 2, 3, 7, 14, 63, 64, 65, 100, 101, 293, 300, 1 << 31, 1 << 32, (1 << 63) - 1]
SIGNED_FEW = [*FEW, -1, -2, -7, -64, -(1 << 31), -(1 << 63)]
UNSIGNED_FEW = [*FEW, 1 << 63, (1 << 64) - 1]


@pytest.mark.parametrize("kinds", list(product("su", "su")), ids="".join)
def test_functions_of_two_numbers(kinds):
    pools = [SIGNED_FEW if kind == "s" else UNSIGNED_FEW for kind in kinds]
    outcomes = check(TWO, [I64 if kind == "s" else U64 for kind in kinds], pools)
    assert outcomes >= {"ValueError", "Answer"}


def test_quotient_and_rest():
    outcomes = check([quotient_once], [I64, I64], [SIGNED_FEW, SIGNED_FEW])
    assert outcomes >= {"ZeroDivisionError", "Answer"}


def test_shifting_out_of_64_bits():
    counts = [-1, -(1 << 63), 0, 1, 31, 63, 64, 65, 200, 4000]
    assert "ValueError" in check([wrapped_shift], [I64, I64], [SIGNED_FEW, counts])


def test_the_line_of_an_exception():
    probes = Probes([cast_u8], [I64])
    try:
        raised = probes.run(0, 256)
    finally:
        probes.close()
    assert raised == Raised("OverflowError", cast_u8.__code__.co_firstlineno + 1)
