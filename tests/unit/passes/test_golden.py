"""What each pass makes of a small program, as text; SYSCAST_UPDATE_GOLDEN=1 writes the files."""

from __future__ import annotations

import msgspec
import pytest
from sketch import Kernel, Sketch, golden, listen, program, raw, tracing

from syscast import passes
from syscast.ir import ops
from syscast.ir.check import Layer, check
from syscast.ir.ops import CheckedOp, CurrentItem, Predicate
from syscast.ir.printer import program_text
from syscast.ir.program import FUNCTION, Admission, ArgFrom, ArgumentSource, Guard
from syscast.ir.types import BOOL, I32, I64, U16, U32, U64, Const, PtrType, Space
from syscast.spec.meta import FieldMeta, SchemaMeta

RUN = dict(passes.PASSES)
STACK = PtrType(Space.STACK)


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


def verify(name, kernel, made, *, only=True):
    check(made)
    after = RUN[name](made, kernel.btf) if only else passes.run(made, kernel.btf)
    check(after)
    golden(f"passes/{name}.txt", program_text(after))


def test_kernel_reads(kernel):
    s = Sketch(kernel)
    sock = s.argument(0, kernel.pointer(kernel.socket))
    sk = s.read(sock, "sk", kernel.pointer(kernel.sock))
    slot = s.slot("sk", sk.type, 8)
    s.op(ops.SlotStore, slot=slot, value=sk)
    again = s.op(ops.SlotLoad, sk.type, slot=slot)
    s.line = 2  # trusted: through the slot, a scalar in a union, a further pointer
    s.read(again, "num", U16)
    s.read(again, "rcv_saddr", U32)
    s.read(s.read(again, "net", kernel.pointer(kernel.net)), "inum", U32)
    s.line = 3  # not: a bit field, what a cast, a __user or a void pointer leads to
    s.read(again, "bits", U32)
    cast = s.op(ops.Convert, kernel.pointer(kernel.sock), a=again)
    s.read(cast, "num", U16)
    s.read(s.read(again, "user_net", kernel.pointer(kernel.net)), "inum", U32)
    data = s.read(sock, "data", kernel.pointer(kernel.sock))
    s.read(data, "num", U16)
    s.finish()
    verify("kernel_reads", kernel, program(s.function(tracing())))


def test_checks(kernel):
    s = Sketch(kernel)
    a, b = s.argument(0, I64), s.argument(1, I64)
    narrow = s.op(ops.Convert, I32, a=b)
    small = s.op(ops.Convert, I64, a=narrow)
    for op in (CheckedOp.ADD, CheckedOp.FLOORDIV):
        s.op(ops.Checked, I64, op=op, a=a, b=b, site=0)
        s.line += 1
    s.op(ops.Checked, I64, op=CheckedOp.ADD, a=small, b=Const(1, I64), site=0)
    s.op(ops.Checked, I64, op=CheckedOp.LSHIFT, a=Const(1, I64), b=b, site=0)
    s.op(ops.CheckedConvert, U32, a=a, site=0)
    s.op(ops.ExactCompare, BOOL, pred=Predicate.SLT, a=a, b=Const(1 << 63, U64))
    s.finish()
    verify("checks", kernel, program(s.function(raw())))


def test_admission(kernel):
    made = listen(kernel, tracing())
    admission = Admission(limit_by=("comm", "cgroup", "port"))
    verify("admission", kernel, msgspec.structs.replace(made, admission=admission))


def test_emits(kernel):
    schema = SchemaMeta(
        1,
        "Listen",
        64,
        (
            FieldMeta("port", "int", 0, 2),
            FieldMeta("name", "str", 4, 20),
            FieldMeta("comm", "bytes", 24, 16),
            FieldMeta("sock", "pointer", 40, 8),
            FieldMeta("shut", "bool", 48, 1),
        ),
    )
    s = Sketch(kernel)
    sk = s.argument(0, kernel.pointer(kernel.sock))
    buffer = s.op(ops.SlotAddr, STACK, slot=s.slot("comm", None, 16))
    name = s.argument(1, PtrType(Space.USER))
    s.emit(port=Const(7, U16), name=name, comm=buffer, sock=sk, shut=Const(1, BOOL))
    s.finish()
    verify("emits", kernel, program(s.function(raw()), schemas=(schema,)))


def pair(kernel):
    entry = Sketch(kernel)
    start = entry.slot("start", U64, 8, kept=True)
    path = entry.slot("path", None, 20, kept=True)
    shut = entry.slot("shut", BOOL, 1, kept=True)
    entry.op(ops.SlotStore, slot=start, value=entry.op(ops.Now, U64))
    entry.op(ops.SlotStore, slot=shut, value=Const(1, BOOL))
    address = entry.op(ops.SlotAddr, STACK, slot=path)
    source = entry.argument(0, PtrType(Space.USER))
    entry.op(ops.ReadStr, I64, dst=address, size=20, src=source, site=0)
    entry.op(ops.Suspend)
    last = Sketch(kernel)
    for slot in entry.slots():
        last.slot(slot.name, slot.type, slot.size, kept=True)
    last.emit(port=Const(1, U16), backlog=last.op(ops.SlotLoad, U64, slot=start))
    last.finish()
    keeps = entry.slots()
    context = tracing(frame="ctx")
    return program(
        entry.function(context, name="in", role="entry", pair="p", keeps=keeps),
        last.function(context, name="out", role="exit", pair="p", keeps=keeps, id=1),
    )


def test_calls(kernel):
    verify("calls", kernel, pair(kernel))


def test_stack_budget(kernel):
    s = Sketch(kernel)
    for name, size in (("small", 100), ("large", 200), ("larger", 1000)):
        slot = s.slot(name, None, size)
        s.op(ops.Fill, ptr=s.op(ops.SlotAddr, STACK, slot=slot), size=size)
    s.finish()
    verify("stack_budget", kernel, program(s.function(raw())))


def test_filters(kernel):
    s = Sketch(kernel)
    s.finish()
    verify("filters", kernel, program(s.function(raw(), filtered=True)))


def test_ledger(kernel):
    verify("ledger", kernel, RUN["emits"](listen(kernel, raw()), kernel.btf))


def test_current(kernel):
    s = Sketch(kernel)
    for item in CurrentItem:
        type_ = kernel.pointer(kernel.task) if item is CurrentItem.TASK else I64
        type_ = U64 if item is CurrentItem.CGROUP_ID else type_
        s.op(ops.Current, type_, item=item, site=0)
        s.line += 1
    s.op(ops.CurrentComm, dst=s.op(ops.SlotAddr, STACK, slot=s.slot("comm", None, 16)))
    s.op(ops.Now, U64)
    s.finish()
    verify("current", kernel, program(s.function(raw())))


def test_context(kernel):
    regs = {"where": ArgFrom.REGS, "offset": 0}
    arguments = (
        ArgumentSource("plain", offset=8, size=4, signed=True),
        ArgumentSource("register", member="si", size=4, **regs),
        ArgumentSource("text", offset=16, size=4, data_loc=True),
        ArgumentSource("bytes", offset=24, array=16),
        ArgumentSource("probed", offset=40, where=ArgFrom.PROBED),
        ArgumentSource("stacked", offset=8, where=ArgFrom.STACK, member="sp", size=2),
    )
    number = ArgumentSource("number", member="orig_ax", size=4, **regs)
    compat = ArgumentSource("caller", where=ArgFrom.TASK, member="thread_info.status", size=4)
    s = Sketch(kernel)
    for index, type_ in enumerate((I64, I64, PtrType(Space.KERNEL), PtrType(Space.KERNEL))):
        s.argument(index, type_)
        s.line += 1
    s.argument(4, PtrType(Space.KERNEL))
    s.argument(5, I64)
    s.argument(0, I64)
    s.finish()
    context = raw(arguments=arguments, guards=(Guard(number, 257), Guard(compat, 0, 2)))
    verify("context", kernel, program(s.function(context)))


def test_context_of_many_targets(kernel):
    """A number given at the attachment, and guards for one of several numbers or none of them."""
    number = ArgumentSource("number", offset=8, size=4)
    place = ArgumentSource(FUNCTION, where=ArgFrom.COOKIE, member="ip", offset=128)
    guards = (
        Guard(number, 0, others=(2, 257)),
        Guard(number, 0, 0xFFFF, others=(60, 231), absent=True),
    )
    s = Sketch(kernel)
    s.argument(0, U64)
    s.finish()
    context = raw(arguments=(place, number), guards=guards)
    check(program(s.function(context)))
    after = RUN["context"](program(s.function(context)), kernel.btf)
    check(after)
    golden("context/many.txt", program_text(after))


def test_reads(kernel):
    s = Sketch(kernel)
    sk = s.op(ops.Helper, kernel.pointer(kernel.sock), name="get_current_task")
    s.read(sk, "num", U16)
    s.read(sk, "shut", BOOL, site=-1)
    s.line = 2
    s.read(sk, "bits", U32)
    s.read(sk, "signed_bits", I32)
    s.line = 3
    direct = ops.Access.DIRECT
    field = next(op.field for b in s._blocks for op in b[1] if isinstance(op, ops.FieldLoad))
    s.op(ops.FieldLoad, U16, base=sk, field=field, site=0, access=direct)
    s.op(ops.FieldLoad, U16, base=sk, field=field, site=-1, access=direct)
    s.line = 4
    user = s.op(ops.Convert, PtrType(Space.USER), a=sk)
    s.op(ops.ScalarLoad, I32, ptr=user, site=0)
    name = s.op(ops.SlotAddr, STACK, slot=s.slot("name", None, 32))
    s.op(ops.ReadStr, I64, dst=name, size=32, src=user, site=0)
    s.op(ops.ReadBytes, dst=name, size=32, src=sk, site=0)
    s.finish()
    verify("reads", kernel, program(s.function(raw())))


def test_bulk(kernel):
    s = Sketch(kernel)
    large = s.op(ops.SlotAddr, STACK, slot=s.slot("large", None, 300))
    other = s.op(ops.SlotAddr, STACK, slot=s.slot("other", None, 300))
    s.op(ops.Fill, ptr=large, size=300)
    s.op(ops.CopyBytes, dst=other, src=large, size=292, dst_offset=8)
    s.op(ops.Fill, ptr=large, size=256)
    s.finish()
    verify("bulk", kernel, program(s.function(raw())))


def test_raises(kernel):
    s = Sketch(kernel)
    s.op(ops.Branch, cond=Const(1, BOOL), then="bad", other="worse")
    s.start("bad")
    s.op(ops.Raise, site=0)
    s.start("worse")
    s.op(ops.Raise, site=0)
    made = RUN["ledger"](program(s.function(raw())), kernel.btf)
    verify("raises", kernel, made)


def test_maps(kernel):
    s = Sketch(kernel)
    for name in ("events", "ledger", "raised", "scratch", "followed", "cgroups"):
        s.op(ops.MapAddr, PtrType(Space.CTX), map=name)
    s.finish()
    verify("maps", kernel, program(s.function(raw(), id=2)))


def test_all_passes(kernel):
    made = listen(kernel, tracing(), filtered=True)
    after = passes.run(made, kernel.btf)
    check(after, Layer.PRIMITIVE)
    golden("passes/all.txt", program_text(after))


def test_every_pass_has_a_golden_file():
    from sketch import GOLDEN  # noqa: PLC0415

    files = {path.stem for path in (GOLDEN / "passes").glob("*.txt")}
    assert files == {*RUN, "all"}


def test_texts(kernel):
    s = Sketch(kernel)
    slot, other = s.slot("comm", None, 16), s.slot("joined", None, 64)
    comm, joined = s.op(ops.SlotAddr, STACK, slot=slot), s.op(ops.SlotAddr, STACK, slot=other)
    s.op(ops.CurrentComm, dst=comm)
    s.op(ops.Fill, ptr=joined, size=64)
    length = s.op(ops.StrLen, I64, text=comm, size=16)
    word = s.op(ops.TextAddr, PtrType(Space.MAP), text=b"word")
    s.line = 2
    s.op(ops.TextAppend, I64, dst=joined, size=64, at=length, src=word, most=4)
    s.op(ops.TextSlice, dst=joined, size=16, src=comm, src_size=16, start=length, count=length)
    s.line = 3
    s.op(ops.TextFind, BOOL, text=comm, size=16, needle=b"ssh")
    s.line = 4
    large = s.op(ops.SlotAddr, STACK, slot=s.slot("large", None, 75))
    s.op(ops.SameText, BOOL, a=large, b=joined, size=75)
    s.finish()
    verify("texts", kernel, program(s.function(raw())))
