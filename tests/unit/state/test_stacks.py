"""Stacks in Python: addresses, names, one line, JSON; and what cannot be declared."""

from __future__ import annotations

import json
import os
from struct import pack

import pytest

import syscast as sc
from syscast.errors import UsageError
from syscast.spec.meta import StateMeta
from syscast.state.described import from_meta
from syscast.symbols import kernel
from syscast.symbols.symbol import Symbol


@pytest.fixture
def stacks():
    made = sc.Stacks(max_entries=64, depth=4)
    made.leave_kernel(
        [
            (pack("<I", 7), (pack("<4Q", 0x30, 0x20, 0x10, 0),)),
            (pack("<I", 8), (pack("<4Q", 1, 2, 3, 4),)),
        ]
    )
    return made


def test_addresses_end_where_the_stack_does(stacks):
    assert stacks.addresses(7) == (0x30, 0x20, 0x10)
    assert stacks.addresses(8) == (1, 2, 3, 4)
    assert stacks.addresses(9) == ()
    assert stacks.addresses(-14) == ()
    assert len(stacks) == 2
    assert repr(stacks) == "<Stacks of 2>"


def test_frames_have_names(stacks, monkeypatch):
    names = {0x30: Symbol("in;ner", "[kernel]", 3), 0x20: Symbol("", "/lib/x", 32)}
    monkeypatch.setattr(kernel, "resolve", lambda at: names.get(at, Symbol("", "", at)))
    assert stacks.frames(7)[0] == names[0x30]
    assert stacks.folded(7) == "0x10;x+0x20;in:ner"
    assert stacks.folded(-14) == "(no stack)"
    assert stacks.folded(-17) == "(no room for the stack)"
    assert stacks.frames(7, os.getpid())[0] == Symbol("", "", 0x30)


def test_as_json_and_from_a_description(stacks):
    found = json.loads(stacks.to_json("s"))
    assert found == {
        "name": "s",
        "state": "Stacks",
        "items": [{"key": 7, "value": [0x30, 0x20, 0x10]}, {"key": 8, "value": [1, 2, 3, 4]}],
    }
    key, value = stacks.types()
    made = from_meta(StateMeta("s", "Stacks", key=key, value=value, options=stacks.options()))
    assert made.options() == stacks.options()
    assert made.plan.value.size == stacks.plan.value.size == 32
    stacks.clear()
    assert len(stacks) == 0


def test_what_cannot_be_declared_or_called():
    with pytest.raises(UsageError, match="Stacks: declare: depth 128 is out of range"):
        sc.Stacks(depth=128)
    with pytest.raises(UsageError, match="Stacks: declare: it takes no types here"):
        sc.Stacks[int]
    for method in (sc.Stacks().kernel, sc.Stacks().user):
        with pytest.raises(UsageError, match="exists only inside a probe"):
            method()
