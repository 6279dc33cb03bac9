"""f-strings and str(), run by the kernel, against CPython's text."""

# ruff: noqa: ARG001 - all take the same words

from __future__ import annotations

import ctypes
from itertools import cycle
from typing import Annotated

import pytest
from probing import I64, TEXT, U64, Probes
from test_arithmetic import BOUNDARY

import syscast as sc
from syscast import current, u8, user_str

pytestmark = pytest.mark.kernel

LIMIT = 443
NAME = "captured"
ALWAYS, NEVER = True, False


class Text(sc.Event):
    text: Annotated[str, 200]


class Short(sc.Event):
    text: Annotated[str, 8]


class Flag(sc.Event):
    value: bool


def plain(a, b, s):
    return Text(text=f"{a}")


def unsigned(a, b, s):
    return Text(text=f"{b}")


def several(a, b, s):
    return Text(text=f"<{a}:{b}:{user_str(s, 32)}> {LIMIT} {NAME!r}{a > 3}")


def narrow(a, b, s):
    return Text(text=f"{u8(b & 255)}/{b & 65535}/{b & 0xFFFFFFFF}")


def hexadecimal(a, b, s):
    return Text(text=f"{a:x} {b:X} {b:#x} {a:#X}")


def zeros(a, b, s):
    return Text(text=f"{a:05} {b:08x} {a:#06x} {b & 7:020d} {b & 7:018x} {a:+08d}")


def widths(a, b, s):
    return Text(text=f"[{a:5}|{a:<5}|{a:>24}|{a:^9}|{b:*^11x}|{a: d}|{a:+}|{b:+d}]")


def texts(a, b, s):
    return Text(
        text=f"{user_str(s, 32):>10}|{user_str(s, 32):.3}|{user_str(s, 32):-^9.4}|{user_str(s, 32)!s:<6}"
    )


def bools(a, b, s):
    return Text(text=f"{a < 0}{a < 0:>7d}{a < 0!s:>6}{not a}")


def converted(a, b, s):
    return Text(text=f"{a!r:>8}{a!s:<8}|")


def by_str(a, b, s):
    return Text(text=str(a) if b else str(user_str(s, 32)))


def constant(a, b, s):
    return Text(text=f"{LIMIT:04x}{NAME:>10}{None}{{}}")


def kept(a, b, s):
    label = f"{a}-{b}"
    again = f"{label}/{label}"
    return Text(text=again)


def compared(a, b, s):
    return Flag(value=f"{a}x" == "-1x" or f"{b:x}".startswith("ff") or "9" in str(a))


def cut_by_the_field(a, b, s):
    return Short(text=f"{b:020d}")


def chosen(a, b, s):
    return Text(text=f"{'below' if a < 0 else 'not'} {user_str(s, 32)[:2]}")


def both(a, b, s):
    x, y = a > 1, b > 1
    x &= b > 5
    return Text(text=f"{x}{x & y}{x | y}{x ^ y}{x & True}{True & False}{x & 1}{x | b}{x + y}")


def least(a, b, s):
    x, y = a > 1, b > 1
    first = f"{min(x, y)}{max(x, y, NEVER)}{min(ALWAYS, x)}"
    return Text(text=f"{first}{max(ALWAYS, 0)}{min((x, y))}")


def sign(a, b, s):
    x = 1
    if a > 0:
        x = b > 1
    return Text(text=f"{int(x)}{+x}{abs(x)}{x**1}{bool(x)}{x:d}{x:3}{x + 1}")


FUNCTIONS = [
    *(plain, unsigned, several, narrow, hexadecimal, zeros, widths, texts, bools, converted),
    *(by_str, constant, kept, compared, chosen, both, least, sign),
]
SIGNED = [each for each in BOUNDARY if -(1 << 63) <= each < 1 << 63]
UNSIGNED = [each for each in BOUNDARY if 0 <= each < 1 << 64]
POWERS = [10**n + d for n in range(20) for d in (-1, 0, 1) if 10**n + d < 1 << 64]
TEXTS = ["", "a", "abc", "abcdefghijkl", "0123456789012345678901234567890"]


@pytest.fixture(scope="module")
def probes():
    made = Probes([*FUNCTIONS, cut_by_the_field], [I64, U64, TEXT])
    yield made
    made.close()


def cases():
    first = [*SIGNED, *(each for each in POWERS if each < 1 << 63), *(-n for n in POWERS[:-4])]
    second, third = cycle([*UNSIGNED, *POWERS]), cycle(TEXTS)
    for a in first:
        yield a, next(second), next(third)


@pytest.mark.parametrize("number", range(len(FUNCTIONS)), ids=[f.__name__ for f in FUNCTIONS])
def test_text(probes, number, monkeypatch):
    function = FUNCTIONS[number]
    monkeypatch.setitem(function.__globals__, "user_str", lambda text, _size: text)
    wrong = []
    for a, b, text in cases():
        want = function(a, b, text)
        memory = ctypes.create_string_buffer(text.encode())
        got = probes.run(number, a, b, ctypes.addressof(memory))
        if got != want:
            wrong.append(f"{a}, {b}, {text!r}:\n  {got}, not\n  {want}")
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:10]])


def test_a_field_cuts(probes):
    got = probes.run(len(FUNCTIONS), 0, 12345678901234567890, 0)
    assert got == Short(text="1234567")


def of_a_task(a, b, s):
    return Text(text=f"{current.comm}[{current.pid}:{current.tid}] {current.task.comm:>20}")


def test_kernel_text():
    import os  # noqa: PLC0415
    import threading  # noqa: PLC0415

    made = Probes([of_a_task], [I64, U64, TEXT])
    try:
        event = made.run(0, 0, 0, 0)
    finally:
        made.close()
    comm = current.comm
    assert event.text == f"{comm}[{os.getpid()}:{threading.get_native_id()}] {comm:>20}"
