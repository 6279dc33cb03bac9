"""Text of the kernel held against a constant string: read as far as the answer needs, or refused."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import syscast as sc
from syscast import current
from syscast.diagnostics import CompileError
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.ir.ops import BytesEqual, ReadStr
from syscast.probes.fentry import FENTRY

SPEC = importlib.util.spec_from_file_location(
    "syscast_test_text_kernel", Path(__file__).parent / "small_kernel.py"
)
MODULE = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = MODULE
SPEC.loader.exec_module(MODULE)


class Seen(sc.Event):
    cpu: sc.u32


@pytest.fixture(scope="module")
def btf():
    return MODULE.small_kernel()


def ops(btf, function, kind):
    """The ops of a sort that a probe on inet_listen becomes."""
    unit = Unit()
    contexts = FENTRY.contexts(FENTRY.resolve("inet_listen", btf), role="probe")
    lower_probe(unit, btf, read_function(function), contexts, "inet_listen")
    program = unit.program("text", "x86_64")
    return [
        op for each in program.functions for b in each.blocks for op in b.ops if type(op) is kind
    ]


def test_an_array_of_characters(btf):
    def probe():
        if current.task.comm == "bash":
            return Seen(cpu=current.cpu)
        return None

    assert [op.size for op in ops(btf, probe, ReadStr)] == [6]
    assert [op.b for op in ops(btf, probe, BytesEqual)] == [b"bash\0"]


def test_a_pointer_to_characters_on_the_right(btf):
    def probe(sock):
        if "" != sock.file.f_path:  # noqa: SIM300  (this order is the point)
            return Seen(cpu=current.cpu)
        return None

    assert [op.size for op in ops(btf, probe, ReadStr)] == [2]


def test_the_longest_that_an_array_can_hold(btf):
    def fits():
        if current.task.comm == "0123456789abcdef":
            return Seen(cpu=current.cpu)
        return None

    def too_long():
        if current.task.comm == "0123456789abcdefg":
            return Seen(cpu=current.cpu)
        return None

    assert [op.size for op in ops(btf, fits, ReadStr)] == [17]
    with pytest.raises(CompileError, match="can never be equal"):
        ops(btf, too_long, ReadStr)


def test_other_structs_are_no_text(btf):
    def probe(sock):
        if sock.sk == "text":
            return Seen(cpu=current.cpu)
        return None

    with pytest.raises(CompileError, match="a pointer can be compared with a pointer or None"):
        ops(btf, probe, ReadStr)
