"""Where the gate before an event stands: before what is made for the event alone, and behind all else."""

from __future__ import annotations

import msgspec
import pytest
from sketch import Kernel, Sketch, listen, program, raw, tracing

from syscast.ir import ops
from syscast.ir.check import check
from syscast.ir.program import Admission
from syscast.ir.types import I64, U16, U64, Const, PtrType, Space
from syscast.passes import admission
from syscast.spec.meta import FieldMeta, SchemaMeta
from syscast.spec.pressure import LIMITS_MAP

TEXT = SchemaMeta(
    1, "Text", 48, (FieldMeta("name", "str", 0, 40), FieldMeta("port", "int", 40, 2))
)


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


def before_the_gate(made, kernel):
    """The ops in front of the gate."""
    check(made)
    after = admission.run(made, kernel.btf)
    check(after)
    return [type(op).__name__ for op in after.functions[0].blocks[0].ops[:-5]]


def test_reads_for_the_event_alone_stand_behind_the_gate(kernel):
    assert before_the_gate(listen(kernel, tracing()), kernel) == ["Argument", "Argument"]


def test_text_for_the_event_alone_is_read_behind_the_gate(kernel):
    s = Sketch(kernel)
    source = s.argument(0, PtrType(Space.USER))
    text = s.op(ops.SlotAddr, PtrType(Space.STACK), slot=s.slot("text", None, 40))
    s.op(ops.ReadStr, I64, dst=text, size=40, src=source, site=0)
    s.emit(name=text, port=Const(1, U16))
    s.finish()
    made = program(s.function(raw()), schemas=(TEXT,))
    assert before_the_gate(made, kernel) == ["Argument"]


def test_what_is_used_behind_the_event_stands_before_the_gate(kernel):
    s = Sketch(kernel)
    slot = s.slot("last", U64, 8)
    first, second = s.op(ops.Now, U64), s.op(ops.Now, U64)
    s.emit(port=Const(1, U16), backlog=second)
    s.op(ops.SlotStore, slot=slot, value=first)
    s.finish()
    made = program(s.function(raw()))
    assert before_the_gate(made, kernel) == ["Now"]


def test_a_text_that_is_used_elsewhere_is_read_before_the_gate(kernel):
    s = Sketch(kernel)
    source = s.argument(0, PtrType(Space.USER))
    text = s.op(ops.SlotAddr, PtrType(Space.STACK), slot=s.slot("text", None, 40))
    s.op(ops.ReadStr, I64, dst=text, size=40, src=source, site=0)
    port = s.op(ops.Convert, U16, a=s.op(ops.Now, U64))
    s.emit(name=text, port=port)
    s.op(ops.SlotAddr, PtrType(Space.STACK), slot=s.slots()[0])
    s.finish()
    made = program(s.function(raw()), schemas=(TEXT,))
    assert before_the_gate(made, kernel) == ["Argument", "SlotAddr", "ReadStr"]


def test_what_changes_something_stands_before_the_gate(kernel):
    s = Sketch(kernel)
    slot = s.slot("count", U64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(1, U64))
    s.emit(port=Const(1, U16), backlog=s.op(ops.SlotLoad, U64, slot=slot))
    s.finish()
    assert before_the_gate(program(s.function(raw())), kernel) == ["SlotStore"]


def test_each_of_two_events_has_a_gate(kernel):
    s = Sketch(kernel)
    for port in (1, 2):
        s.emit(port=Const(port, U16), backlog=s.op(ops.Now, U64))
    s.finish()
    made = program(s.function(raw()))
    check(made)
    after = admission.run(msgspec.structs.replace(made, admission=Admission(("cpu",))), kernel.btf)
    check(after)
    labels = [block.label.partition(".")[0] for block in after.functions[0].blocks]
    assert labels.count("out") == labels.count("over") == labels.count("after") == 2


@pytest.mark.parametrize(
    ("by", "size"),
    [((), 8), (("pid",), 16), (("comm", "uid"), 32), (("port", "backlog", "cpu"), 32)],
    ids=str,
)
def test_a_key_is_the_program_and_what_it_goes_by(kernel, by, size):
    made = msgspec.structs.replace(listen(kernel, tracing()), admission=Admission(limit_by=by))
    after = admission.run(made, kernel.btf)
    (limits,) = [each for each in after.maps if each.name == LIMITS_MAP]
    assert (limits.type, limits.key_size, limits.value_size) == ("lru_hash", size, 8)


def test_a_program_without_events_stays_as_it_is(kernel):
    s = Sketch(kernel)
    s.finish()
    made = program(s.function(raw()))
    assert admission.run(made, kernel.btf) is made
