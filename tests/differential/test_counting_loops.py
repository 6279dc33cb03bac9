"""Loops that count by constants: the verifier must not follow each count by itself."""

from __future__ import annotations

import ctypes

import pytest
from probing import TEXT, U64, Probes, Raised

import syscast as sc
from syscast import user_str

pytestmark = pytest.mark.kernel


class Counts(sc.Event):
    slashes: sc.u32
    longest: sc.u16
    bits: sc.u8


def occurrences(text: str, wanted: str) -> int:
    count = 0
    for index in range(64):
        if index >= len(text):
            break
        if text[index] == wanted:
            count += 1
    return count


def counts(text, number):
    path = user_str(text, 64)
    longest = 0
    run = 0
    for index in range(63):
        if index >= len(path):
            break
        run = 0 if path[index] == "/" else run + 1
        longest = max(longest, run)
    bits = 0
    while number:
        bits += number & 1
        number >>= 1
    return Counts(slashes=occurrences(path, "/"), longest=longest, bits=bits)


def rounded(x, y):
    for _ in range(y & 1):
        x += 1
    return y * y // 0x7FFF_FFFF_FFFF_FFFF >> y


def short(text, number):
    """LLVM knows more than the verifier of how small the second call's argument is."""
    found = rounded(number, rounded(number, number & 0xFF_FFFF))
    return Counts(slashes=found, longest=len(user_str(text, 8)), bits=0)


@pytest.fixture(scope="module")
def probe():
    made = Probes([counts, short], [TEXT, U64])
    yield made
    made.close()


@pytest.mark.parametrize("path", ["", "/", "a/bc//def", "/" * 63, "x" * 63, "/usr/lib/x86_64"])
@pytest.mark.parametrize("number", [0, 1, 0b1011, 1 << 63, (1 << 64) - 1])
def test_counts_made_in_loops(probe, path, number, monkeypatch):
    monkeypatch.setitem(counts.__globals__, "user_str", lambda text, _size: text)
    want = counts(path, number)
    text = ctypes.create_string_buffer(path.encode())
    got = probe.run(0, ctypes.addressof(text), number)
    assert not isinstance(got, Raised), got
    assert (got.slashes, got.longest, got.bits) == (want.slashes, want.longest, want.bits)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 0xFF_FFFF, (1 << 63) - 1])
def test_loops_of_one_round_at_most(probe, number, monkeypatch):
    monkeypatch.setitem(short.__globals__, "user_str", lambda text, _size: text)
    text = ctypes.create_string_buffer(b"text")
    got = probe.run(1, ctypes.addressof(text), number)
    assert not isinstance(got, Raised), got
    assert got.slashes == short("text", number).slashes
