"""Functions of the probe language for test_statements: assignment, assert, match."""

import enum

from written import Out

from syscast import emit


class State(enum.IntEnum):
    IDLE = 0
    OPEN = 1
    CLOSED = 7


LIMIT = 64
PAIR = (3, 8)


def swap(a, b):
    a, b = b, a
    return Out(a=a, b=b)


def rotate(a, b):
    c = 5
    a, b, c = c, a, b
    return Out(a=a * 1000 + b, b=c)


def nested_targets(a, b):
    (x, [y, z]), w = (a, (b, 3)), 4
    return Out(a=x + y, b=z + w)


def captured_pair(a, b):
    x, y = PAIR
    return Out(a=x + a, b=y)


def chained(a, b):
    x = y = a + 1
    y += b
    return Out(a=x, b=y)


def annotated(a, b):
    x: int = a
    return Out(a=x, b=b)


def walrus(a, b):
    if (n := a + 1) > 3:
        return Out(a=n, b=1)
    return Out(a=n, b=2)


def walrus_behind_and(a, b):
    if a > 0 and (n := a + b) > 3:
        return Out(a=n)
    return Out(a=-1)


def walrus_behind_or(a, b):
    if a <= 0 or (n := a + b) <= 3:
        return Out(a=-1)
    return Out(a=n)


def walrus_in_negation(a, b):
    if not (a > 0 and (n := b) > 0):
        return None
    return Out(a=n)


def walrus_in_choice(a, b):
    x = n if (n := a) > 2 else -n
    return Out(a=x, b=n)


def walrus_order(a, b):
    return Out(a=a + (a := b) + a, b=a)


def asserts(a, b):
    assert a > 0
    assert b >= 0, "b counts things"
    assert a != 7 and (b or a)
    return Out(a=a, b=b)


def deletes(a, b):
    x = a
    del x
    x = b
    return Out(a=x)


def passes(a, b):
    if a:
        pass
    else:
        return None
    return Out(a=a)


def match_numbers(a, b):
    match a:
        case 0:
            return Out(a=100)
        case 1 | 2 | 3:
            return Out(a=200, b=b)
        case -1:
            b = 9
        case 63 if b > 1:
            return None
        case State.CLOSED if b:
            b = 11
        case n if n > 64:
            return Out(a=n, b=b)
        case _:
            emit(Out(a=1))
    return Out(a=a, b=b)


def match_without_default(a, b):
    x = 0
    match b:
        case 1:
            x = 1
        case 3 | 8:
            x = 2
    return Out(a=x)


def match_pairs(a, b):
    n = -1
    match (a, b):
        case (0, 0):
            return None
        case (1, n):
            return Out(a=n)
        case (n, 8):
            return Out(a=n, b=8)
        case (2 | 3, 3):
            n = 77
        case (x, y) if x == y:
            n = x
    return Out(a=n)


def match_captures_late(a, b):
    x = -9
    match (a, b):
        case (x, 3):
            return Out(a=x)
        case (4, _):
            pass
    return Out(a=x)


def match_wide(a, b):
    match x := a:
        case 10 as y:
            return Out(a=y + x)
        case (1 | 2) as y:
            return Out(a=-y)
    return Out(a=x)


def match_bools(a, b):
    match a > b:
        case True:
            return Out(a=1)
        case False:
            return Out(a=0)


def narrowed_by_returns(a, b):
    if a < 0 or a > LIMIT:
        return None
    if not 0 <= b < 1001:
        return None
    return Out(a=a * 1_000_000_000 + b)
