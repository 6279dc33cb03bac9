"""Variables that hold tuples, structs and events do what they do in Python."""

from __future__ import annotations

import ctypes

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


FUNCTIONS = [swapped, fibonacci, nested, struct, previous, event, grown, inner_test]
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
