"""Variables that hold tuples, structs and events do what they do in Python."""

from __future__ import annotations

import ctypes
from typing import Annotated

import pytest
from probing import I64, TEXT, Probes, Raised, in_python

import syscast as sc
from syscast import user_str

pytestmark = pytest.mark.kernel


class Flow(sc.Struct):
    port: sc.u16
    name: sc.Comm
    low: bool = False


class Seen(sc.Event):
    a: sc.i64
    b: sc.i64
    text: sc.Comm


def swapped(_text, a, b):
    pair = (a, b)
    pair = (pair[1], pair[0])
    return Seen(a=pair[0], b=pair[1], text="")


def fibonacci(_text, a, b):
    state = (a, b)
    for _ in range(20):
        state = (state[1], state[0] + state[1])
    first, second = state
    return Seen(a=first, b=second, text="")


def nested(text, a, b):
    whole = ((a, user_str(text, 16)), b)
    inner, last = whole
    number, name = inner
    whole = ((last, name), number)
    return Seen(a=whole[0][0], b=whole[1], text=whole[0][1])


def struct(text, a, b):
    flow = Flow(port=a, name=user_str(text, 16))
    if b > 5:
        flow = Flow(port=b, name="other", low=True)
    return Seen(a=flow.port, b=flow.low, text=flow.name)


def previous(text, a, _b):
    """A struct is a value: what it was made from may change."""
    port = a
    flow = Flow(port=port, name=user_str(text, 16))
    before = flow
    for step in range(3):
        before = flow
        flow = Flow(port=port + step, name="later")
    return Seen(a=before.port, b=flow.port, text=before.name)


def event(text, a, b):
    seen = Seen(a=a, b=b, text=user_str(text, 16))
    if seen.a > seen.b:
        seen = Seen(a=seen.b, b=seen.a, text=seen.text)
    if seen.text == "none":
        return None
    return seen


def grown(_text, a, b):
    """The ranges of a tuple's parts end at a loop's head, too."""
    pair = (1, b & 1)
    for _ in range(8):
        pair = (pair[0] * 3, 0)
    rounds = 0
    for _ in sc.bounded(range(pair[0] & 0xFF), limit=300):
        rounds += 1
    left = pair[0]
    halves = 0
    while sc.bounded(left > 0, limit=64):
        left >>= 1
        halves += 1
    return Seen(a=rounds * 100 + halves, b=a, text=f"{pair[0]}")


def inner_test(_text, a, b):
    """An inner loop's test runs once more than its rounds."""
    step = (1 << 61) - 1
    total = 0
    for _ in range(2):
        n = 0
        while sc.bounded((total := total + step) < (1 << 63) and n < 1, limit=1):
            n += 1
    return Seen(a=total + (1 << 62), b=a + b, text="")


class Names(sc.Event):
    a: sc.Comm
    b: sc.Comm


class Named(sc.Event):
    n: sc.i64
    text: Annotated[str, 64]


def tuple_turned(text, a, _b):
    pair = (user_str(text, 16), "other")
    for _ in range(3):
        pair = (pair[1], pair[0])
    return Named(n=a, text=f"{pair[0]},{pair[1]}")


def nested_turned(text, a, _b):
    pair = (("one", user_str(text, 16)), "other")
    pair = ((pair[1], pair[0][0]), pair[0][1])
    return Named(n=a, text=f"{pair[0][0]},{pair[0][1]},{pair[1]}")


def tuples_swapped(text, a, b):
    p = (user_str(text, 16), a)
    q = ("other", b)
    p, q = q, p
    return Named(n=p[1], text=f"{p[0]},{q[0]}")


def structs_swapped(text, a, _b):
    p = Flow(port=1, name=user_str(text, 16))
    q = Flow(port=2, name="other")
    p, q = q, p
    return Named(n=p.port, text=f"{p.name},{q.name},{a}")


def events_swapped(text, _a, _b):
    p = Names(a=user_str(text, 16), b="p")
    q = Names(a="other", b="q")
    p, q = q, p
    return Names(a=p.a, b=q.a)


def event_turned(text, _a, _b):
    p = Names(a=user_str(text, 16), b="other")
    p = Names(a=p.b, b=p.a)
    return p  # noqa: RET504  (the variable is what is tested)


def struct_in_tuple(text, a, _b):
    p = (Flow(port=1, name=user_str(text, 16)), "x")
    p = (Flow(port=2, name=p[1]), p[0].name)
    return Named(n=a, text=f"{p[0].name},{p[1]}")


def turned(pair):
    return (pair[1], pair[0])


def turned_by_call(text, a, _b):
    pair = (user_str(text, 16), "other")
    for _ in range(3):
        pair = turned(pair)
    return Named(n=a, text=f"{pair[0]},{pair[1]}")


def chained(text, a, _b):
    x, y = user_str(text, 16), "other"
    x, y = pair = (y, x)
    pair = last = (pair[1], pair[0])
    return Named(n=a, text=f"{x},{y},{pair[0]},{last[0]}")


def loop_items(text, a, _b):
    x = user_str(text, 16)
    y = "other"
    last = ""
    for each in (x, y):
        y = "zzz"
        last = each
    return Named(n=a, text=f"{last},{y}")


def loop_target(text, a, _b):
    x = user_str(text, 16)
    y = "other"
    seen = ""
    for x in (y, x):  # noqa: B020
        seen = f"{x[:4]}{seen[:4]}"
    return Named(n=a, text=f"{seen},{x}")


def loop_tuples(text, a, b):
    p = (user_str(text, 16), a)
    q = ("other", b)
    last = ""
    number = 0
    for name, count in (p, q):
        q = ("zzz", 9)
        last = name
        number = count
    return Named(n=number, text=f"{last},{q[0]}")


def captured(text, a, b):
    x = user_str(text, 16)
    y = "other"
    match (y, x):
        case (x, y) if a > b:
            return Named(n=1, text=f"{x},{y}")
        case (y, x):
            return Named(n=2, text=f"{x},{y}")


def joined(first, second):
    return f"{first},{second}"


def chosen(text, flag):
    if flag:
        return text
    return "none"


def argument(text, a, _b):
    x = user_str(text, 16)
    return Named(n=a, text=joined(x, (x := "other")))


def keyword_argument(text, a, _b):
    x = user_str(text, 16)
    return Named(n=a, text=joined(second=x, first=(x := "other")))


def argument_by_call(text, a, _b):
    x = user_str(text, 16)
    return Named(n=a, text=joined(chosen(x, a > 0), (x := "other")))


def argument_chosen(text, a, b):
    x = user_str(text, 16)
    z = "z"
    return Named(n=a, text=joined(x if a > b else z, (x := "other")))


def event_field(text, _a, _b):
    x = user_str(text, 16)
    return Names(a=x, b=(x := "other"))


def struct_field(text, a, _b):
    x = user_str(text, 16)
    flow = Flow(port=1, name=x, low=(x := "other") == "other")
    return Named(n=a, text=f"{flow.name},{x},{flow.low}")


def tuple_item(text, a, _b):
    x = user_str(text, 16)
    pair = (x, (x := "other"), x)
    return Named(n=a, text=f"{pair[0]},{pair[1]},{pair[2]}")


def tuple_in_argument(text, a, _b):
    pair = (user_str(text, 16), "other")
    last = joined(pair[0], (pair := (pair[1], pair[0]))[1])
    return Named(n=a, text=f"{last},{pair[0]}")


def compared(text, _a, _b):
    x = user_str(text, 16)
    same = x == (x := "none")
    among = x in ("a", (x := "b"), "none")
    begins = x.startswith(x := "c")
    return Named(n=same, text=f"{among},{begins},{x}")


def condition(text, a, _b):
    x = user_str(text, 16)
    if x != (x := "none") and x == "none":
        return Named(n=a, text=x)
    return Named(n=a, text="same")


def formatted(text, a, _b):
    x = user_str(text, 16)
    return Named(n=a, text=f"{x}{(x := 'tt')}{x:>4}")


FUNCTIONS = [
    swapped,
    fibonacci,
    nested,
    struct,
    previous,
    event,
    grown,
    inner_test,
    tuple_turned,
    nested_turned,
    tuples_swapped,
    structs_swapped,
    events_swapped,
    event_turned,
    struct_in_tuple,
    turned_by_call,
    chained,
    loop_items,
    loop_target,
    loop_tuples,
    captured,
    argument,
    keyword_argument,
    argument_by_call,
    argument_chosen,
    event_field,
    struct_field,
    tuple_item,
    tuple_in_argument,
    compared,
    condition,
    formatted,
]
INPUTS = [
    (text, a, b)
    for text in ("", "none", "some text", "a" * 15)
    for a in (0, 3, 65533, 65535, 70000, -1)
    for b in (0, 7, 1 << 40, -(1 << 62))
]


@pytest.fixture(scope="module")
def probes():
    made = Probes(FUNCTIONS, [TEXT, I64, I64])
    yield made
    made.close()


@pytest.mark.parametrize("number", range(len(FUNCTIONS)), ids=[f.__name__ for f in FUNCTIONS])
def test_compounds(probes, number, monkeypatch):
    function = FUNCTIONS[number]
    monkeypatch.setitem(function.__globals__, "user_str", lambda text, _size: text)
    wrong = []
    for text, a, b in INPUTS:
        want = in_python(function, text, a, b)
        buffer = ctypes.create_string_buffer(text.encode())
        got = probes.run(number, ctypes.addressof(buffer), a, b)
        got = got.exception if isinstance(got, Raised) else got
        if got != want:
            wrong.append(f"{text!r}, {a}, {b}: {got}, not {want}")
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])
