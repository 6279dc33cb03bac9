"""How C's accesses are decided: by what their pointers may point to."""

from __future__ import annotations

import pytest
from sketch import Kernel, Sketch, golden, program

from syscast import passes
from syscast.diagnostics import CompileError, Span
from syscast.ir import ops
from syscast.ir.check import check
from syscast.ir.ops import BinaryOp
from syscast.ir.printer import program_text
from syscast.ir.program import ContextWord, Holds, ProgramContext
from syscast.ir.types import BOOL, I64, U8, U32, U64, Const, PtrType, Reg, Space
from syscast.passes import provenance
from syscast.spec.objectspec import MapSpec

ANY = PtrType(Space.ANY)
TEXT = "int f(void *ctx)\n{\n  *sk = 1;\n}\n"
TABLE = MapSpec("table", "hash", 8, 8, 16)


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


class C(Sketch):
    """A C function being written."""

    @property
    def here(self) -> Span:
        return Span("/virtual/main.c", self.line, 3)

    def context(self, offset, type_=U64):
        return self.op(ops.AnyLoad, type_, ptr=self.op(ops.CtxAddr, ANY), offset=offset)

    def pointer_at(self, offset):
        return self.op(ops.Convert, ANY, a=self.context(offset))

    def local(self, name, size=8):
        slot = self.slot(name, None, size)
        return slot, self.op(ops.SlotAddr, ANY, slot=slot)

    def load(self, ptr, type_=U64, offset=0):
        return self.op(ops.AnyLoad, type_, ptr=ptr, offset=offset)

    def moved(self, ptr, delta):
        delta = Const(delta, I64) if isinstance(delta, int) else delta
        return self.op(ops.Offset, ANY, ptr=ptr, delta=delta)

    def store(self, ptr, value, offset=0):
        self.op(ops.Store, ptr=ptr, value=value, offset=offset)

    def looked_up(self):
        _, key = self.local("key")
        table = self.op(ops.MapAddr, ANY, map="table")
        return self.op(ops.Helper, ANY, name="map_lookup_elem", args=(table, key))


def kprobe(**members) -> ProgramContext:
    return ProgramContext("c", "f", "kprobe/f", "kprobe", kernel_bound=True, **members)


def whole(s, context=None, **members):
    s.op(ops.Return)
    function = s.function(context or kprobe(), name="f", id=-1)
    return program(
        function,
        schemas=(),
        sites=(),
        maps=(TABLE,),
        arch="x86_64",
        sources={"/virtual/main.c": TEXT},
        **members,
    )


def lowered(kernel, s, context=None):
    made = whole(s, context)
    check(made)
    after = provenance.run(made, kernel.btf)
    check(after)
    return [op for block in after.functions[0].blocks for op in block.ops]


def how(kernel, s, made: Reg, context=None) -> str:
    """How the load that makes a register is done."""
    last = ""
    for op in lowered(kernel, s, context):
        if isinstance(op, ops.Load) and op.result == made:
            return last if op.ptr.type.space is Space.STACK else "plain"
        if isinstance(op, ops.Helper):
            last = op.name
    raise AssertionError("no load")


def test_what_every_sort_of_pointer_becomes(kernel):
    s = C(kernel)
    sk = s.pointer_at(112)
    s.line = 2  # the kernel's, and a pointer that it holds
    s.load(s.load(sk, ANY, 16), U32, 8)
    value, (_, here) = s.looked_up(), s.local("here", 16)
    s.line = 3  # the program's own
    s.load(value)
    s.load(here, U32, 4)
    s.op(ops.AnyCopy, dst=here, src=value, size=16)
    s.op(ops.AnyCopy, dst=here, src=sk, size=16, src_offset=8)
    s.op(ops.Store, ptr=here, value=Const(1, U64), offset=4)
    made = whole(s)
    check(made)
    after = provenance.run(made, kernel.btf)
    check(after)
    golden("passes/provenance.txt", program_text(after))


def test_what_is_written_as_a_number_is_the_same_pointer(kernel):
    s = C(kernel)
    _, here = s.local("here", 64)
    number = s.op(ops.Convert, U64, a=here)
    further = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=number, b=Const(8, U64))
    made = s.load(s.op(ops.Convert, ANY, a=further))
    assert how(kernel, s, made) == "plain"


def test_a_slot_is_what_was_stored_there(kernel):
    s = C(kernel)
    slot = s.slot("p", ANY, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, ANY))
    s.op(ops.SlotStore, slot=slot, value=s.looked_up())
    made = s.load(s.op(ops.SlotLoad, ANY, slot=slot))
    assert how(kernel, s, made) == "plain"
    s = C(kernel)
    slot = s.slot("p", ANY, 8)
    s.op(ops.SlotStore, slot=slot, value=s.looked_up())
    s.op(ops.SlotStore, slot=slot, value=s.pointer_at(112))
    made = s.load(s.op(ops.SlotLoad, ANY, slot=slot))
    assert how(kernel, s, made) == "probe_read"


def test_a_pointer_kept_on_the_stack(kernel):
    s = C(kernel)
    _, kept = s.local("kept", 16)
    _, other = s.local("other", 16)
    s.op(ops.Store, ptr=kept, value=s.looked_up(), offset=8)
    s.op(ops.AnyCopy, dst=other, src=kept, size=16)
    made = s.load(s.load(other, ANY, 8))
    assert how(kernel, s, made) == "plain"
    s = C(kernel)
    _, kept = s.local("kept", 16)
    read = (kept, Const(16, U64), s.pointer_at(112))
    s.op(ops.Helper, I64, name="probe_read", args=read)
    made = s.load(s.load(kept, ANY, 8))
    assert how(kernel, s, made) == "probe_read"


def test_a_loop_over_kernel_pointers_reads_each(kernel):
    s = C(kernel)
    slot = s.slot("p", ANY, 8)
    s.op(ops.SlotStore, slot=slot, value=s.pointer_at(112))
    s.op(ops.Jump, target="loop")
    s.start("loop")
    made = s.load(s.op(ops.SlotLoad, ANY, slot=slot), ANY, 16)
    s.op(ops.SlotStore, slot=slot, value=made)
    s.op(ops.Branch, cond=Const(1, BOOL), then="loop", other="end")
    s.start("end")
    assert how(kernel, s, made) == "probe_read"


def test_packets_are_loaded_plainly(kernel):
    words = (ContextWord(0, Holds.PACKET), ContextWord(4, Holds.PACKET))
    xdp = ProgramContext("c", "f", "xdp", "xdp", words=words, converted=True)
    s = C(kernel)
    data = s.op(ops.Convert, ANY, a=s.op(ops.Convert, I64, a=s.context(0, U32)))
    made = s.load(s.moved(data, s.context(8)), U8)
    assert how(kernel, s, made, xdp) == "plain"
    s = C(kernel)
    made = s.load(s.op(ops.Convert, ANY, a=s.op(ops.Convert, I64, a=s.context(8, U32))))
    assert how(kernel, s, made, xdp) == "probe_read_kernel"


def test_typed_pointers_are_followed_as_the_verifier_does(kernel):
    context = kprobe(words=(ContextWord(8, Holds.TYPED, kernel.socket),))
    for offset, then, expected in ((8, 0, "plain"), (8, 4, "probe_read"), (16, 0, "probe_read")):
        s = C(kernel)
        socket = s.op(ops.Convert, ANY, a=s.context(8))
        sk = s.load(socket, ANY, offset)  # socket.sk; socket.data is a void pointer
        made = s.load(s.moved(sk, 12), U32, then)  # sock.state; half of what lies behind it
        assert how(kernel, s, made, context) == expected


def test_a_typed_pointer_and_an_unknown_number_are_added_as_numbers(kernel):
    context = kprobe(words=(ContextWord(8, Holds.TYPED, kernel.sock),))
    s = C(kernel)
    sk = s.op(ops.Convert, ANY, a=s.context(8))
    made = s.load(s.moved(sk, s.context(0)), U32)
    assert how(kernel, s, made, context) == "probe_read"
    s = C(kernel)
    s.moved(s.op(ops.Convert, ANY, a=s.context(8)), s.context(0))
    assert not [op for op in lowered(kernel, s, context) if isinstance(op, ops.Offset)]


def test_a_context_that_is_converted_is_copied_by_words(kernel):
    s = C(kernel)
    _, here = s.local("here", 8)
    s.op(ops.AnyCopy, dst=here, src=s.op(ops.CtxAddr, ANY), size=7, src_offset=4)
    found = lowered(kernel, s, ProgramContext("c", "f", "xdp", "xdp", converted=True))
    assert [op.offset for op in found if isinstance(op, ops.Load)] == [4, 8, 10]


def test_a_store_through_a_kernel_pointer_is_an_error_of_the_text(kernel):
    s = C(kernel)
    s.line = 3
    s.op(ops.Store, ptr=s.pointer_at(112), value=Const(1, U64))
    with pytest.raises(CompileError) as caught:
        passes.run(whole(s), kernel.btf)
    assert str(caught.value).startswith(
        "/virtual/main.c:3:3: error: store through a kernel pointer"
    )
    assert "3 |   *sk = 1;" in str(caught.value)


def test_other_machines_have_the_helper_for_kernel_addresses_alone(kernel):
    s = C(kernel)
    made = s.load(s.pointer_at(112))
    s.op(ops.Return)
    function = s.function(kprobe(), name="f", id=-1)
    after = provenance.run(program(function, arch="s390x"), kernel.btf)
    names = [
        op.name for block in after.functions[0].blocks for op in block.ops if hasattr(op, "name")
    ]
    assert made
    assert names == ["probe_read_kernel"]


def test_what_a_helper_reads_through_a_kernel_pointer_is_copied_first(kernel):
    s = C(kernel)
    table = s.op(ops.MapAddr, ANY, map="table")
    _, value = s.local("value")
    args = (table, s.pointer_at(112), value, Const(0, U64))
    s.op(ops.Helper, I64, name="map_update_elem", args=args)
    found = [op for op in lowered(kernel, s) if isinstance(op, ops.Helper)]
    assert [op.name for op in found] == ["probe_read", "map_update_elem"]
    read, update = found
    assert read.args[1] == Const(8, U64)
    assert update.args[1] == read.args[0]
    assert update.args[2] == value
