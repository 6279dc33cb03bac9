"""A pass that is wrong is named, with the IR, whether it fails, lies or breaks what comes after it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from sketch import Kernel, listen, raw

from syscast import passes
from syscast.compiler import driver
from syscast.errors import InternalError


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


def planted(monkeypatch, name, function):
    """Put a pass behind another one's place."""
    changed = [(each, function if each == name else lower) for each, lower in passes.PASSES]
    monkeypatch.setattr(passes, "PASSES", tuple(changed))


def without_terminators(program, _btf):
    functions = [
        replace(each, blocks=tuple(replace(block, ops=block.ops[:-1]) for block in each.blocks))
        for each in program.functions
    ]
    return replace(program, functions=tuple(functions))


def fails(_program, _btf):
    raise KeyError("x")


def test_a_pass_that_fails(kernel, monkeypatch):
    planted(monkeypatch, "emits", fails)
    with pytest.raises(InternalError) as caught:
        passes.run(listen(kernel, raw()), kernel.btf)
    assert caught.value.cause == "pass 'emits' failed: KeyError: 'x'"
    assert "program " in caught.value.details
    assert " = argument " in caught.value.details


def test_a_pass_that_makes_malformed_ir(kernel, monkeypatch):
    planted(monkeypatch, "filters", without_terminators)
    with pytest.raises(InternalError) as caught:
        passes.run(listen(kernel, raw()), kernel.btf)
    assert caught.value.cause == "pass 'filters' made malformed IR"
    assert "no terminator at the end" in caught.value.details


def test_a_pass_that_leaves_something_undone(kernel, monkeypatch):
    planted(monkeypatch, "raises", lambda program, _: program)
    with pytest.raises(InternalError) as caught:
        passes.run(listen(kernel, raw()), kernel.btf)
    assert "the passes left malformed IR" in caught.value.cause
    assert "not a primitive" in caught.value.cause


def test_the_whole_ir_goes_into_the_report(kernel, monkeypatch):
    planted(monkeypatch, "maps", fails)
    with pytest.raises(InternalError) as caught:
        driver.build(listen(kernel, raw()), kernel.btf)
    assert "pass 'maps' failed: KeyError: 'x'" in caught.value.cause
    assert "The probe's IR:\n\nprogram " in caught.value.details
    assert "please report it" in str(caught.value)
