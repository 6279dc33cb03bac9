"""The text of IR shows all that matters and leaves out defaults."""

from __future__ import annotations

from sketch import Kernel, Sketch, listen, program, raw

from syscast.ir import ops
from syscast.ir.ops import FieldRef
from syscast.ir.printer import op_text, program_text
from syscast.ir.program import Function
from syscast.ir.types import BOOL, I64, U16, U64, Const, PtrType, Reg, Space

MAP = PtrType(Space.MAP)


def test_ops():
    reg = Reg(3, U16)
    field = FieldRef(7, (1, 0), 2, 64, name="a.b")
    assert op_text(ops.Load(result=reg, ptr=Reg(1, MAP))) == "%3: u16 = load %1"
    assert op_text(ops.Load(result=reg, ptr=Reg(1, MAP), offset=8)) == "%3: u16 = load %1 offset=8"
    load = ops.FieldLoad(result=reg, base=Const(0, MAP), field=field, site=2)
    assert op_text(load) == "%3: u16 = field_load null [7:1:0 a.b @64] site=2"
    call = ops.Helper(result=None, name="ringbuf_submit", args=(Reg(1, MAP), Const(0, U64)))
    assert op_text(call) == "helper ringbuf_submit (%1, 0:u64)"
    equal = ops.BytesEqual(result=Reg(0, BOOL), a=Reg(1, MAP), b=b"sh\0")
    assert op_text(equal) == "%0: bool = bytes_equal %1 b'sh\\x00'"


def test_spans_are_given_where_they_change():
    lines = program_text(listen(Kernel(), raw())).splitlines()
    assert [line.partition("; ")[2] for line in lines if ";" in line] == [
        "probe.py:1:5",
        "probe.py:2:5",
        "probe.py:3:5",
    ]


def test_equal_programs_have_equal_text():
    assert program_text(listen(Kernel(), raw())) == program_text(listen(Kernel(), raw()))


def test_subprograms():
    s = Sketch(Kernel())
    argument = s.register(I64)
    s.op(ops.Return, value=argument)
    function = Function("twice", s.blocks(), (), parameters=(argument,), returns=I64)
    assert "function twice(%0: i64) -> i64" in program_text(program(function))
