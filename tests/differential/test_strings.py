"""Operations on strings, run by the kernel on texts in user memory, against CPython's strings."""

# ruff: noqa: ARG001 - all take the same words

from __future__ import annotations

import ctypes
import random
from itertools import product
from typing import Annotated

import pytest
from probing import I64, TEXT, Probes, Raised, in_python

import syscast as sc
from syscast import user_str

pytestmark = pytest.mark.kernel

SUFFIXES = (".so", ".conf", "x")


class Text(sc.Event):
    text: Annotated[str, 64]


class Number(sc.Event):
    value: sc.i64


def starts(a, b, i, j):
    return Number(value=user_str(a, 64).startswith("/etc"))


def starts_any(a, b, i, j):
    return Number(value=user_str(a, 64).startswith(("/etc", "/u", "")))


def ends(a, b, i, j):
    return Number(value=user_str(a, 64).endswith("conf"))


def ends_any(a, b, i, j):
    return Number(value=user_str(a, 64).endswith(SUFFIXES))


def equal(a, b, i, j):
    return Number(value=user_str(a, 64) == user_str(b, 40))


def unequal(a, b, i, j):
    return Number(value=user_str(a, 40) != user_str(b, 64))


def find(a, b, i, j):
    return Number(value="aab" in user_str(a, 64))


def find_one(a, b, i, j):
    return Number(value="/" not in user_str(a, 200))


def find_long(a, b, i, j):
    return Number(value="/usr/lib/x86_64" in user_str(a, 64))


def among(a, b, i, j):
    return Number(value=user_str(a, 64) in {"", "/", "/etc/resolv.conf"})


def length(a, b, i, j):
    return Number(value=len(user_str(a, 64)))


def true(a, b, i, j):
    return Number(value=bool(user_str(a, 64)) + (not user_str(b, 64)))


def first(a, b, i, j):
    return Text(text=user_str(a, 64)[0])


def fifth(a, b, i, j):
    return Text(text=user_str(a, 64)[4])


def last(a, b, i, j):
    return Text(text=user_str(a, 64)[-1])


def indexed(a, b, i, j):
    return Text(text=user_str(a, 64)[i])


def head(a, b, i, j):
    return Text(text=user_str(a, 64)[:4])


def tail(a, b, i, j):
    return Text(text=user_str(a, 64)[-3:])


def middle(a, b, i, j):
    return Text(text=user_str(a, 64)[2:5])


def behind(a, b, i, j):
    return Text(text=user_str(a, 64)[3:])


def cut(a, b, i, j):
    return Text(text=user_str(a, 64)[:-2])


def sliced(a, b, i, j):
    return Text(text=user_str(a, 64)[i:j])


def sliced_from(a, b, i, j):
    return Text(text=user_str(a, 50)[i:])


def first_is_slash(a, b, i, j):
    return Number(value=user_str(a, 64)[0] == "/")


def chained(a, b, i, j):
    text = user_str(a, 64)
    return Number(value=text[:3] == user_str(b, 64)[:3] != "")


def nested(a, b, i, j):
    return Number(value="b" in user_str(a, 64)[1:7])


FUNCTIONS = [
    *(starts, starts_any, ends, ends_any, equal, unequal, find, find_one, find_long, among),
    *(length, true, first, fifth, last, indexed, head, tail, middle, behind, cut, sliced),
    *(sliced_from, first_is_slash, chained, nested),
]
TEXTS = [
    "",
    "/",
    "/etc",
    "/et",
    "/etc/resolv.conf",
    "conf",
    "onf",
    "aab",
    "aaab",
    "abaabaab",
    "xaaax",
    "/usr/lib/x86_64-linux-gnu/libc.so",
    "/usr/lib/x86_6",
    "abcdefghijklmnopqrstuvwxyz0123456789abc",
]
ENDS = [0, 1, 2, 3, 5, 38, 39, 40, 63, 64, 1 << 40, -1, -2, -5, -39, -40, -64, -(1 << 63)]


@pytest.fixture(scope="module")
def probes():
    made = Probes(FUNCTIONS, [TEXT, TEXT, I64, I64])
    yield made
    made.close()


def cases():
    choose = random.Random(1)
    for a, b in product(TEXTS, TEXTS):
        yield a, b, choose.choice(ENDS), choose.choice(ENDS)
    for i, j in product(ENDS, ENDS):
        yield choose.choice(TEXTS), "b", i, j


def in_cpython(function, *arguments, monkeypatch):
    monkeypatch.setitem(function.__globals__, "user_str", lambda text, _size: text)
    found = in_python(function, *arguments)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("number", range(len(FUNCTIONS)), ids=[f.__name__ for f in FUNCTIONS])
def test_texts(probes, number, monkeypatch):
    wrong = []
    for a, b, i, j in cases():
        want = in_cpython(FUNCTIONS[number], a, b, i, j, monkeypatch=monkeypatch)
        buffers = [ctypes.create_string_buffer(each.encode()) for each in (a, b)]
        got = probes.run(number, *(ctypes.addressof(each) for each in buffers), i, j)
        got = got.exception if isinstance(got, Raised) else got
        if got != want:
            wrong.append(f"{a!r}, {b!r}, {i}, {j}: {got}, not {want}")
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:20]])


# ---------------------------------------------------------------- texts of many words


def large_equal(a, b):
    return Number(value=user_str(a, 1000) == user_str(b, 1003))


def large_find(a, b):
    return Number(value="needle" in user_str(a, 4096))


def large_ends(a, b):
    return Number(value=user_str(a, 4096).endswith(("needle", "xy")))


def large_length(a, b):
    return Number(value=len(user_str(a, 4096)[3:]))


LARGE = [large_equal, large_find, large_ends, large_length]
LONG = [
    "",
    "needle",
    *("x" * n + end for n in (63, 64, 65, 71, 990, 993) for end in ("", "y", "needle")),
]


def test_large_texts(monkeypatch):
    probes = Probes(LARGE, [TEXT, TEXT])
    wrong = []
    try:
        for number, function in enumerate(LARGE):
            for a, b in product(LONG, LONG):
                want = in_cpython(function, a, b, monkeypatch=monkeypatch)
                buffers = [ctypes.create_string_buffer(each.encode()) for each in (a, b)]
                got = probes.run(number, *(ctypes.addressof(each) for each in buffers))
                if got != want:
                    wrong.append(f"{function.__name__}: {len(a)}, {len(b)}: {got}, not {want}")
    finally:
        probes.close()
    assert not wrong, "\n".join(wrong[:20])
