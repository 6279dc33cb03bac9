"""Probes of user space and samples, lowered: what annotations mean, what is refused, how stacks are kept."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import syscast as sc
from syscast import Stacks, i32, u8, u64, user_str
from syscast.diagnostics import CompileError
from syscast.frontend.python.lower import lower_probe
from syscast.frontend.python.source import read_function
from syscast.frontend.python.unit import Unit
from syscast.ir import ops
from syscast.ir.printer import op_text
from syscast.ir.program import ArgFrom, ArgumentSource, Deref, ProgramContext
from syscast.ir.types import PtrType, Space
from syscast.passes import context as context_pass
from syscast.probes import registers
from syscast.probes.perf_event import Samples
from syscast.probes.uprobe import Uprobe

HERE = Path(__file__).parent
STACKS = Stacks()


class Out(sc.Event):
    number: sc.i64
    text: str = ""


@pytest.fixture(scope="module")
def btf():
    spec = importlib.util.spec_from_file_location("syscast_test_user", HERE / "small_kernel.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.small_kernel()


def of_uprobe():
    kind = Uprobe(machine=registers.X86_64)
    return kind.contexts(kind.words("work"), role="probe")


def lowered(btf, function, contexts=None):
    unit = Unit()
    lower_probe(unit, btf, read_function(function), contexts or of_uprobe(), "probe")
    return unit.program("probe", "x86_64")


def every(program, kind):
    return [
        op
        for function in program.functions
        for block in function.blocks
        for op in block.ops
        if isinstance(op, kind)
    ]


def test_annotations_say_how_much_of_a_register_is_meant(btf):
    def probe(whole, low: i32, byte: u8, text: str, struct: sock):  # noqa: ARG001, F821
        return Out(number=low + byte, text=user_str(text))

    program = lowered(btf, probe)
    types = [str(op.result.type) for op in every(program, ops.Argument)]
    assert types[1:3] == ["i32", "u8"]
    pointers = [op.result.type for op in every(program, ops.Argument)][3:]
    assert all(isinstance(each, PtrType) and each.space is Space.USER for each in pointers)


def test_members_of_a_struct_are_read_in_the_process(btf):
    def probe(sock: sock):  # noqa: F821
        return Out(number=sock.skc_num)

    (load,) = every(lowered(btf, probe), ops.FieldLoad)
    assert load.base.type.space is Space.USER


def test_a_number_that_is_cast_points_into_the_process(btf):
    def probe(address):
        return Out(number=sc.cast("struct sock", address).skc_num)

    (load,) = every(lowered(btf, probe), ops.FieldLoad)
    assert load.base.type.space is Space.USER


def test_other_annotations_are_refused(btf):
    def floating(x: float): ...

    def unknown(x: no_such): ...  # noqa: F821

    for probe in (floating, unknown):
        with pytest.raises(CompileError, match=r"argument 'x' of .* cannot be"):
            lowered(btf, probe)


def test_stacks_are_kept_with_the_context(btf):
    def probe():
        STACKS.kernel()
        return Out(number=STACKS.user())

    program = lowered(btf, probe)
    flags = [op.args[2].value for op in every(program, ops.Helper) if op.name == "get_stackid"]
    assert flags == [0, 1 << 8]
    (held,) = [each for each in program.maps if each.type == "stack_trace"]
    assert (held.key_size, held.value_size, held.max_entries) == (4, 127 * 8, 16384)
    assert program.states[0].kind == "Stacks"


def test_stacks_take_no_arguments(btf):
    def probe():
        return Out(number=STACKS.kernel(1))

    with pytest.raises(CompileError, match=r"STACKS.kernel\(\) takes no arguments"):
        lowered(btf, probe)

    def other():
        return Out(number=STACKS.folded(1))

    with pytest.raises(CompileError, match=r"cannot use 'folded' of a Stacks"):
        lowered(btf, other)


def test_what_a_sample_knows_goes_by_name(btf):
    kind = Samples("profile", machine=registers.X86_64)
    contexts = kind.contexts(kind.resolve("99hz", btf), role="probe")

    def probe(period, ip: u64):  # noqa: ARG001
        return Out(number=period)

    program = lowered(btf, probe, contexts)
    assert [op.index for op in every(program, ops.Argument)] == [1, 0]
    (function,) = program.functions
    assert function.name == "probe_0"


def test_names_of_programs_are_names(btf):
    def probe():
        return Out(number=1)

    unit = Unit()
    name = "usr/lib/" + "long/" * 40 + "9x:work"
    lower_probe(unit, btf, read_function(probe), of_uprobe(), name)
    lower_probe(unit, btf, read_function(probe), of_uprobe(), "99hz")
    made = [each.name for each in unit.program("p", "x86_64").functions]
    assert all(each.isidentifier() and len(each) < 100 for each in made)


def test_arguments_in_memory_and_constants(btf):
    sources = (
        ArgumentSource("a", where=ArgFrom.CONSTANT, offset=-7, size=4, signed=True, ctype="int"),
        ArgumentSource(
            "b", where=ArgFrom.MEMORY, size=4, ctype="unsigned int",
            deref=Deref(base=32, distance=-8, index=24, scale=4),
        ),
    )  # fmt: skip
    context = ProgramContext("usdt", "t", "usdt/t", "kprobe", arguments=sources, user=True)

    def probe(a, b):
        return Out(number=a + b)

    program = context_pass.run(lowered(btf, probe, (context,)), btf)
    text = "\n".join(
        op_text(op) for f in program.functions for block in f.blocks for op in block.ops
    )
    (load,) = every(program, ops.ScalarLoad)
    assert load.ptr.type.space is Space.USER
    assert "18446744073709551609" in text  # the constant -7, as 64 bits
    assert "18446744073709551608" in text  # the distance -8
    assert not every(program, ops.Argument)
