"""Accesses through C's pointers, run by the kernel: what is read, and what the verifier takes.

Hand-built IR, as the C front end makes it; a raw tracepoint's words come from BPF_PROG_TEST_RUN.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from struct import pack
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "passes"))

from sketch import Sketch, program

from syscast.btf import source
from syscast.btf.layout import find_member
from syscast.btf.types import Struct, Typedef
from syscast.compiler.backend import build_object
from syscast.ir import ops
from syscast.ir.ops import AtomicOp, BinaryOp, Predicate
from syscast.ir.program import ContextWord, Holds, ProgramContext
from syscast.ir.types import BOOL, I64, U16, U32, U64, Const, PtrType, Space
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.spec.objectspec import MapSpec
from syscast.spec.read import read_object

pytestmark = pytest.mark.kernel

ANY = PtrType(Space.ANY)
RAW = ProgramContext("c", "f", "raw_tp/f", "raw_tracepoint", kernel_bound=True)
TABLE = MapSpec("table", "array", 4, 8, 4)


@pytest.fixture(scope="module")
def kernel():
    btf = source.kernel()
    return SimpleNamespace(btf=btf, task=btf.find("task_struct", Struct))


class C(Sketch):
    def word(self, number):
        """A word of a raw tracepoint's arguments."""
        return self.op(ops.AnyLoad, U64, ptr=self.op(ops.CtxAddr, ANY), offset=8 * number)

    def pointer(self, number):
        return self.op(ops.Convert, ANY, a=self.word(number))

    def load(self, ptr, type_=U64, offset=0, **more):
        return self.op(ops.AnyLoad, type_, ptr=ptr, offset=offset, **more)

    def local(self, name, size):
        slot = self.slot(name, None, size)
        return self.op(ops.SlotAddr, ANY, slot=slot)

    def store(self, ptr, value, offset=0, **more):
        self.op(ops.Store, ptr=ptr, value=value, offset=offset, **more)

    def looked_up(self, key=0):
        at = self.local("key", 4)
        self.store(at, Const(key, U32))
        table = self.op(ops.MapAddr, ANY, map="table")
        return self.op(ops.Helper, ANY, name="map_lookup_elem", args=(table, at))

    def unless_null(self, ptr):
        """Go on where a pointer is not NULL; return 99 otherwise."""
        there, missing = self.label("there"), self.label("missing")
        null = self.op(ops.Compare, BOOL, pred=Predicate.EQ, a=ptr, b=Const(0, ANY))
        self.op(ops.Branch, cond=null, then=missing, other=there)
        self.start(missing)
        self.op(ops.Return, value=Const(99, U32))
        self.start(there)


def packet(s, number):
    """data (0) or data_end (1) of an xdp_md."""
    word = s.op(ops.AnyLoad, U32, ptr=s.op(ops.CtxAddr, ANY), offset=4 * number)
    return s.op(ops.Convert, ANY, a=s.op(ops.Convert, I64, a=word))


def built(kernel, s, value, context=RAW, **members):
    s.op(ops.Return, value=value)
    made = s.function(context, name="f", id=-1)
    made = program(made, schemas=(), sites=(), maps=(TABLE,), arch=os.uname().machine, **members)
    return read_object(build_object(made, kernel.btf), "c")


def result(kernel, s, value, *words):
    """What the program returns for some words of context."""
    with load(built(kernel, s, value)) as loaded:
        words += (0,) * (4 - len(words))
        got = prog_test_run(loaded.programs["f"].fd, ctx_in=pack("<4Q", *words))
        return got.retval


def test_user_and_kernel_addresses_are_read_and_faults_give_zero(kernel):
    word = ctypes.c_uint32(0x12345678)
    for address, expected in ((ctypes.addressof(word), 0x12345678), (8, 0), (1 << 63, 0)):
        s = C(kernel)
        assert result(kernel, s, s.load(s.pointer(1), U32), 0, address) == expected
    offset = find_member(kernel.btf, kernel.task, "tgid").offset
    s = C(kernel)
    task = s.op(ops.Helper, ANY, name="get_current_task", args=())
    assert result(kernel, s, s.load(task, U32, offset)) == os.getpid()


def test_maps_values_are_read_and_written_plainly(kernel):
    s = C(kernel)
    value = s.looked_up(2)
    s.unless_null(value)
    s.store(value, s.word(0))
    s.op(ops.Atomic, op=AtomicOp.ADD, ptr=value, value=Const(5, U64), result=None)
    assert result(kernel, s, s.load(value), 37) == 42


ATOMICS = {
    AtomicOp.ADD: 12 + 10,
    AtomicOp.AND: 12 & 10,
    AtomicOp.OR: 12 | 10,
    AtomicOp.XOR: 12 ^ 10,
    AtomicOp.XCHG: 10,
    AtomicOp.CMPXCHG: 10,
}


@pytest.mark.parametrize("type_", [U32, U64], ids=str)
@pytest.mark.parametrize("op", ATOMICS, ids=lambda op: op.value)
def test_atomics_give_what_was_and_change_it(kernel, op, type_):
    s = C(kernel)
    value = s.looked_up()
    s.unless_null(value)
    s.store(value, Const(12, type_))
    members = {"op": op, "ptr": value, "value": Const(10, type_)}
    if op is AtomicOp.CMPXCHG:
        members["expected"] = Const(12, type_)
    before = s.op(ops.Convert, U64, a=s.op(ops.Atomic, type_, **members))
    after = s.op(ops.Convert, U64, a=s.load(value, type_))
    shifted = s.op(ops.Binary, U64, op=BinaryOp.SHL, a=before, b=Const(8, U64))
    both = s.op(ops.Binary, U64, op=BinaryOp.OR, a=shifted, b=after)
    assert result(kernel, s, both) == 12 << 8 | ATOMICS[op]


def test_words_of_the_context_stay_at_constant_offsets(kernel):
    for way in (0, 1):
        s = C(kernel)
        chosen = s.op(ops.Compare, BOOL, pred=Predicate.EQ, a=s.word(0), b=Const(0, U64))
        slot = s.slot("x", U64, 8)
        s.op(ops.Branch, cond=chosen, then="a", other="b")
        for label, number in (("a", 1), ("b", 2)):
            s.start(label)
            s.op(ops.SlotStore, slot=slot, value=s.word(number))
            s.op(ops.Jump, target="end")
        s.start("end")
        value = s.op(ops.SlotLoad, U64, slot=slot)
        assert result(kernel, s, value, way, 11, 22) == (11, 22)[way]


def test_the_stack_is_accessed_as_it_is_aligned(kernel):
    s = C(kernel)
    here = s.local("packed", 16)
    s.op(ops.Fill, ptr=here, size=16)
    s.store(here, s.word(0), offset=3)
    assert result(kernel, s, s.load(here, U32, 5), 0x1122334455667788) == 0x33445566


def test_a_pointer_of_two_sorts_is_read_by_the_helper(kernel):
    word = ctypes.c_uint64(7)
    for way, expected in ((0, 5), (1, 7)):
        s = C(kernel)
        here, slot = s.local("here", 8), s.slot("p", ANY, 8)
        s.store(here, Const(5, U64))
        s.op(ops.SlotStore, slot=slot, value=here)
        foreign = s.pointer(1)
        test = s.op(ops.Compare, BOOL, pred=Predicate.NE, a=s.word(0), b=Const(0, U64))
        s.op(ops.Branch, cond=test, then="other", other="end")
        s.start("other")
        s.op(ops.SlotStore, slot=slot, value=foreign)
        s.op(ops.Jump, target="end")
        s.start("end")
        value = s.load(s.op(ops.SlotLoad, ANY, slot=slot))
        assert result(kernel, s, value, way, ctypes.addressof(word)) == expected


XDP = ProgramContext(
    *("c", "f", "xdp", "xdp"),
    words=(ContextWord(0, Holds.PACKET), ContextWord(4, Holds.PACKET)),
    converted=True,
    kernel_bound=True,
)


def test_a_packet_is_read_behind_its_bounds_test(kernel):
    s = C(kernel)
    data, end = packet(s, 0), packet(s, 1)
    far = s.op(ops.Offset, ANY, ptr=data, delta=Const(14, I64))
    over = s.op(ops.Compare, BOOL, pred=Predicate.UGT, a=far, b=end)
    s.op(ops.Branch, cond=over, then="over", other="inside")
    s.start("over")
    s.op(ops.Return, value=Const(1, U32))
    s.start("inside")
    spec = built(kernel, s, s.load(data, U16, 12), XDP)
    with load(spec) as loaded:
        got = prog_test_run(loaded.programs["f"].fd, data_in=bytes(12) + b"\x34\x12" + bytes(50))
    assert got.retval == 0x1234


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (2, 0x0102), (4, 0x01020304)])
@pytest.mark.parametrize("fixed", [True, False])
def test_packet_loads_swap_to_the_hosts_order(kernel, size, expected, fixed):
    context = ProgramContext("c", "f", "socket", "socket_filter", converted=True)
    s = C(kernel)
    length = s.op(ops.AnyLoad, U32, ptr=s.op(ops.CtxAddr, ANY), offset=0)
    at = s.op(ops.Binary, U32, op=BinaryOp.SUB, a=length, b=Const(50, U32))
    at = Const(0, U32) if fixed else at
    spec = built(kernel, s, s.op(ops.PacketLoad, U64, at=at, size=size), context)
    data = bytes(14) + (b"\x01\x02\x03\x04" + bytes(46))
    with load(spec) as loaded:
        got = prog_test_run(loaded.programs["f"].fd, data_in=data)
    assert got.retval == expected


def test_what_the_verifier_knows_by_its_type_is_loaded_plainly(kernel):
    target = kernel.btf.find("btf_trace_sched_switch", Typedef)
    assert target
    word = ContextWord(8, Holds.TYPED, kernel.task)
    context = ProgramContext(
        *("c", "f", "tp_btf/sched_switch", "tracing", "trace_raw_tp"),
        words=(word,),
        kernel_bound=True,
    )
    s = C(kernel)
    task = s.pointer(1)
    parent = s.load(task, ANY, find_member(kernel.btf, kernel.task, "real_parent").offset)
    spec = built(
        kernel, s, s.load(parent, U32, find_member(kernel.btf, kernel.task, "pid").offset), context
    )
    calls = [
        each
        for each in range(0, len(spec.programs[0].insns), 8)
        if spec.programs[0].insns[each] == 0x85
    ]
    assert not calls
    load(spec).close()


@pytest.mark.parametrize("unroll", [False, True])
def test_loops_of_few_rounds_are_unrolled_and_longer_ones_where_the_text_asks(kernel, unroll):
    s = C(kernel)
    total, slot = s.slot("total", U64, 8), s.slot("i", U64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, U64))
    s.op(ops.SlotStore, slot=total, value=Const(0, U64))
    s.op(ops.Jump, target="head")
    s.start("head")
    i = s.op(ops.SlotLoad, U64, slot=slot)
    s.op(
        ops.Branch,
        cond=s.op(ops.Compare, BOOL, pred=Predicate.ULT, a=i, b=Const(200, U64)),
        then="body",
        other="end",
    )
    s.start("body")
    random = s.op(ops.Helper, U64, name="get_prandom_u32", args=())
    one = s.op(ops.Binary, U64, op=BinaryOp.UREM, a=random, b=Const(1, U64))
    so_far = s.op(ops.SlotLoad, U64, slot=total)
    more = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=so_far, b=s.word(0))
    s.op(ops.SlotStore, slot=total, value=s.op(ops.Binary, U64, op=BinaryOp.ADD, a=more, b=one))
    after = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=i, b=Const(1, U64))
    s.op(ops.SlotStore, slot=slot, value=after)
    s.op(ops.Jump, target="head", unroll=unroll)
    s.start("end")
    spec = built(kernel, s, s.op(ops.SlotLoad, U64, slot=total))
    assert (len(spec.programs[0].insns) // 8 > 400) == unroll
    with load(spec) as loaded:
        got = prog_test_run(loaded.programs["f"].fd, ctx_in=pack("<4Q", 3, 0, 0, 0))
    assert got.retval == 600


def test_a_word_of_the_context_by_a_loops_counter(kernel):
    """The verifier wants constant offsets: the loop must be unrolled without being asked to."""
    s = C(kernel)
    total, slot = s.slot("total", U64, 8), s.slot("i", I64, 8)
    s.op(ops.SlotStore, slot=slot, value=Const(0, I64))
    s.op(ops.SlotStore, slot=total, value=Const(0, U64))
    s.op(ops.Jump, target="head")
    s.start("head")
    i = s.op(ops.SlotLoad, I64, slot=slot)
    inside = s.op(ops.Compare, BOOL, pred=Predicate.SLT, a=i, b=Const(4, I64))
    s.op(ops.Branch, cond=inside, then="body", other="end")
    s.start("body")
    delta = s.op(ops.Binary, I64, op=BinaryOp.MUL, a=i, b=Const(8, I64))
    at = s.op(ops.Offset, ANY, ptr=s.op(ops.CtxAddr, ANY), delta=delta)
    so_far = s.op(ops.SlotLoad, U64, slot=total)
    more = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=so_far, b=s.load(at))
    s.op(ops.SlotStore, slot=total, value=more)
    after = s.op(ops.Binary, I64, op=BinaryOp.ADD, a=i, b=Const(1, I64))
    s.op(ops.SlotStore, slot=slot, value=after)
    s.op(ops.Jump, target="head")
    s.start("end")
    value = s.op(ops.SlotLoad, U64, slot=total)
    assert result(kernel, s, value, 1, 20, 300, 4000) == 4321


def test_bytes_of_a_buffer_by_a_number_that_is_not_known(kernel):
    """LLVM adds by `or` to an address whose low bits it knows, which the verifier refuses of pointers."""
    s = C(kernel)
    here = s.local("bytes", 8)
    s.store(here, s.word(0))
    at = s.op(ops.Binary, U64, op=BinaryOp.AND, a=s.word(1), b=Const(7, U64))
    byte = s.op(ops.Offset, ANY, ptr=here, delta=at)
    s.op(ops.Helper, U64, name="probe_read_kernel", args=(byte, Const(1, U64), here))
    assert result(kernel, s, s.load(here), 0x0807060504030201, 2) == 0x04010201


def buffers(s, count, *, at_once):
    """Buffers of 100 bytes: filled, read into, looked at; one after the other or all at once."""
    made = []
    total = Const(0, U64)
    for number in range(count):
        here = s.local(f"b{number}", 100)
        s.op(ops.Fill, ptr=here, size=100)
        size = Const(100, U64)
        s.op(ops.Helper, U64, name="probe_read", args=(here, size, s.pointer(number % 2)))
        made.append(here)
        if not at_once:
            total = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=total, b=s.load(here, U64, 8))
    for here in made if at_once else ():
        total = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=total, b=s.load(here, U64, 8))
    return total


@pytest.mark.parametrize("at_once", [False, True])
def test_buffers_of_any_number_fit(kernel, at_once):
    data = [(ctypes.c_uint64 * 16)(0, 5), (ctypes.c_uint64 * 16)(0, 700)]
    s = C(kernel)
    spec = built(kernel, s, buffers(s, 12, at_once=at_once))
    assert ("scratch" in {each.name for each in spec.maps}) == at_once
    with load(spec) as loaded:
        words = pack("<4Q", *(ctypes.addressof(each) for each in data), 0, 0)
        got = prog_test_run(loaded.programs["f"].fd, ctx_in=words)
    assert got.retval == 6 * 705


def test_buffers_make_room_for_what_llvm_keeps(kernel):
    """Three buffers, and forty numbers between calls: more than the budget leaves."""
    s = C(kernel)
    here = [s.local(f"b{number}", 100) for number in range(3)]
    for each in here:
        s.op(ops.Fill, ptr=each, size=100)
        args = (each, Const(100, U64), s.pointer(0))
        s.op(ops.Helper, U64, name="probe_read", args=args)
    numbers = [s.op(ops.Helper, U64, name="get_prandom_u32", args=()) for _ in range(40)]
    total = Const(0, U64)
    for each in [*numbers, *reversed(numbers)]:
        minus = BinaryOp.SUB if len(here) % 2 else BinaryOp.ADD
        total = s.op(ops.Binary, U64, op=minus, a=each, b=total)
    for each in here:
        total = s.op(ops.Binary, U64, op=BinaryOp.ADD, a=total, b=s.load(each, U64, 8))
    data = (ctypes.c_uint64 * 16)(0, 5)
    assert result(kernel, s, total, ctypes.addressof(data)) == 15


def test_two_programs_have_rows_of_their_own(kernel):
    functions = []
    for name in ("one", "two"):
        s = C(kernel)
        s.op(ops.Return, value=buffers(s, 12, at_once=True))
        functions.append(s.function(RAW, name=name, id=-1))
    made = program(*functions, schemas=(), sites=(), arch=os.uname().machine)
    spec = read_object(build_object(made, kernel.btf), "c")
    scratch = next(each for each in spec.maps if each.name == "scratch")
    assert scratch.max_entries >= 2
    load(spec).close()
