"""What the passes and codegen make, run by the kernel: records, ledger, filters, state, reads.

Programs are raw tracepoints that BPF_PROG_TEST_RUN runs in this process, so that every value in a
record has a witness here; those with typed arguments are loaded only, for the verifier's opinion.
"""

from __future__ import annotations

import ctypes
import os
import random
import sys
import threading
from pathlib import Path
from struct import pack, unpack, unpack_from
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "passes"))

from sketch import Sketch, program, raw

from syscast import codegen, passes
from syscast.btf import source
from syscast.btf.layout import members
from syscast.btf.types import Array, Enum, Func, Int, Ptr, Struct, Typedef
from syscast.buffers.opening import open_reader
from syscast.codegen.child import Child
from syscast.errors import SyscastError, TargetError, VerifierError
from syscast.ir import ops
from syscast.ir.ops import CurrentItem, FieldRef
from syscast.ir.types import I64, U16, U32, U64, Const, IntType, PtrType, Space
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load
from syscast.probes import registry
from syscast.spec import meta
from syscast.spec.meta import FieldMeta, SchemaMeta
from syscast.spec.read import read_object

pytestmark = pytest.mark.kernel

STACK = PtrType(Space.STACK)
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="module")
def kernel():
    btf = source.kernel()
    return SimpleNamespace(btf=btf, task=btf.find("task_struct", Struct))


def compiled(made, btf, **options):
    return load(read_object(codegen.build(passes.run(made, btf), btf), "probe"), **options)


def run(loaded, *words, name="probe"):
    prog_test_run(loaded.programs[name].fd, ctx_in=pack(f"<{len(words)}Q", *words))


def ledger(loaded, row=0):
    """The row's counters, over all CPUs."""
    found = loaded.maps["ledger"]
    raw_value = found.lookup(row)
    totals = dict.fromkeys(meta.LEDGER, 0)
    for cpu in range(found.cpus):
        for number, name in enumerate(meta.LEDGER):
            totals[name] += unpack_from("<Q", raw_value, (6 * cpu + number) * 8)[0]
    return {name: count for name, count in totals.items() if count}


def records(loaded):
    """(header, payload) of all records."""
    with open_reader(loaded.maps["events"]) as reader:
        return [(unpack(meta.RECORD_HEADER, each[:56]), each[56:]) for each in reader.read(1000)]


def emits(kernel, **values):
    """A program that emits one event of u64 fields, made by functions of the sketch."""
    s = Sketch(kernel)
    made = {name: make(s) for name, make in values.items()}
    s.emit(**made)
    s.finish()
    fields = tuple(FieldMeta(name, "int", 8 * n, 8) for n, name in enumerate(made))
    schema = SchemaMeta(1, "Event", 8 * len(fields), fields)
    return program(s.function(raw(), filtered=True), schemas=(schema,))


def word(index):
    return lambda s: s.op(ops.Convert, U64, a=s.argument(index, U64 if not index else I64))


@pytest.mark.parametrize("force_perf", [False, True], ids=["ring", "perf"])
def test_a_record_tells_who_and_when(kernel, force_perf):
    made = emits(kernel, a=word(0), b=word(1))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with compiled(made, kernel.btf, force_perf=force_perf, config={"flags": 0}) as loaded:
        if force_perf:
            assert loaded.uses_perf
        with open_reader(loaded.maps["events"]) as reader:
            for number in range(3):
                run(loaded, number, 1 << 31)
            got = reader.read(10)
        found = [(unpack(meta.RECORD_HEADER, each[:56]), each[56:]) for each in got]
        assert [unpack("<QQ", payload[:16]) for _, payload in found] == [
            (n, (1 << 64) - (1 << 31)) for n in range(3)
        ]
        times, numbers, _, pids, tids, schemas, programs, cpus, comms = zip(
            *(header for header, _ in found), strict=True
        )
        assert numbers == (0, 1, 2)
        assert set(pids) == {os.getpid()}
        assert set(tids) == {threading.get_native_id()}
        assert (set(schemas), set(programs)) == ({1}, {0})
        assert set(cpus) == os.sched_getaffinity(0)
        assert {c.rstrip(b"\0") for c in comms} == {
            Path("/proc/thread-self/comm").read_bytes()[:-1]
        }
        assert list(times) == sorted(times)
        assert ledger(loaded) == {"ran": 3, "tried": 3}


def test_a_full_ring_drops_and_counts(kernel):
    with compiled(emits(kernel, a=word(0)), kernel.btf, ring_size=4096) as loaded:
        for number in range(200):
            run(loaded, number, 0)
        found = records(loaded)
        counts = ledger(loaded)
        assert counts["ran"] == counts["tried"] == 200
        assert 0 < len(found) == 200 - counts["dropped"]


def own(what):
    return {
        "pid": os.getpid(),
        "tid": threading.get_native_id(),
        "uid": os.getuid(),
        "netns": Path("/proc/self/ns/net").stat().st_ino,
        "comm": Path("/proc/thread-self/comm").read_bytes()[:-1].ljust(16, b"\0"),
    }[what]


@pytest.mark.parametrize("what", ["pid", "tid", "uid", "netns", "comm"])
def test_filters_stop_all_others(kernel, what):
    made = emits(kernel, a=word(0))
    flag = getattr(meta, f"FILTER_{what.upper()}")
    mine = own(what)
    other = mine ^ 1 if isinstance(mine, int) else b"other".ljust(16, b"\0")
    for value, outcome in ((mine, "tried"), (other, "filtered")):
        with compiled(made, kernel.btf, config={"flags": flag, what: value}) as loaded:
            run(loaded, 1, 1)
            assert ledger(loaded) == {"ran": 1, outcome: 1}


def test_followed_processes_pass(kernel):
    config = {"flags": meta.FILTER_FOLLOW}
    with compiled(emits(kernel, a=word(0)), kernel.btf, config=config) as loaded:
        run(loaded, 1, 1)
        loaded.maps["followed"].update(os.getpid(), b"\1")
        run(loaded, 1, 1)
        assert ledger(loaded) == {"ran": 2, "filtered": 1, "tried": 1}


def test_a_failed_read_ends_the_run_at_its_site(kernel):
    s = Sketch(kernel)
    task = s.argument(0, PtrType(Space.KERNEL, kernel.task))
    s.read(task, "tgid", IntType(32, signed=True))
    s.emit(port=Const(1, U16), backlog=Const(1, U64))
    s.finish()
    with compiled(program(s.function(raw())), kernel.btf) as loaded:
        run(loaded, 0, 0)
        run(loaded, 8, 0)
        assert ledger(loaded) == {"ran": 2, "raised": 2}
        counts = loaded.maps["raised"].lookup(0)
        assert sum(unpack(f"<{len(counts) // 8}Q", counts)) == 2
        assert records(loaded) == []


def test_a_buffer_that_cannot_be_read_gives_the_record_back(kernel):
    schema = SchemaMeta(1, "Text", 16, (FieldMeta("text", "str", 0, 16),))
    s = Sketch(kernel)
    s.emit(text=s.argument(0, PtrType(Space.USER)))
    s.finish()
    text = ctypes.create_string_buffer(b"hello")
    with compiled(program(s.function(raw()), schemas=(schema,)), kernel.btf) as loaded:
        run(loaded, 1, 0)
        run(loaded, ctypes.addressof(text), 0)
        assert [payload for _, payload in records(loaded)] == [b"hello".ljust(16, b"\0")]
        assert ledger(loaded) == {"ran": 2, "raised": 1, "tried": 1}


def current(item):
    return lambda s: s.op(ops.Convert, U64, a=s.op(ops.Current, I64, item=item, site=0))


def test_the_running_task(kernel):
    items = {item: current(item) for item in CurrentItem if item.name in {*_WITNESSES}}
    made = emits(kernel, **{item.name: make for item, make in items.items()})
    with compiled(made, kernel.btf) as loaded:
        run(loaded, 0, 0)
        ((_, payload),) = records(loaded)
        found = dict(zip((i.name for i in items), unpack(f"<{len(items)}Q", payload), strict=True))
        assert found == {name: witness() for name, witness in _WITNESSES.items()}


_WITNESSES = {
    "PID": os.getpid,
    "TID": threading.get_native_id,
    "UID": os.getuid,
    "GID": os.getgid,
    "NETNS": lambda: Path("/proc/self/ns/net").stat().st_ino,
    "PPID": os.getppid,
}


def test_bit_fields_and_strings_of_the_kernel(kernel):
    """The subreaper flag is one bit of signal_struct; prctl(2) sets it."""
    schema = SchemaMeta(
        1, "Task", 40, (FieldMeta("flag", "int", 0, 8), FieldMeta("comm", "bytes", 8, 32))
    )
    s = Sketch(kernel)
    task = s.op(ops.Current, PtrType(Space.KERNEL, kernel.task), item=CurrentItem.TASK, site=0)
    signal = kernel.btf.find("signal_struct", Struct)
    flag = s.read(s.read(task, "signal", PtrType(Space.KERNEL, signal)), "is_child_subreaper", U32)
    buffer = s.op(ops.SlotAddr, STACK, slot=s.slot("comm", None, 32))
    address = s.op(
        ops.FieldAddr,
        PtrType(Space.KERNEL),
        base=task,
        field=s.field(kernel.task, "comm"),
    )
    s.op(ops.ReadStr, I64, dst=buffer, size=32, src=address, site=0)
    s.emit(flag=s.op(ops.Convert, U64, a=flag), comm=buffer)
    s.finish()
    libc = ctypes.CDLL(None)
    with compiled(program(s.function(raw()), schemas=(schema,)), kernel.btf) as loaded:
        for value in (1, 0):
            libc.prctl(PR_SET_CHILD_SUBREAPER, value, 0, 0, 0)
            run(loaded, 0, 0)
        found = [payload for _, payload in records(loaded)]
        assert [unpack_from("<Q", each)[0] for each in found] == [1, 0]
        assert {each[8:24].rstrip(b"\0") for each in found} == {own("comm").rstrip(b"\0")}
        assert {each[24:40] for each in found} == {bytes(16)}


@pytest.mark.parametrize("size", [24, 400, 3000])
def test_state_of_a_call_lives_until_its_exit(kernel, size):
    entry, last = Sketch(kernel), Sketch(kernel)
    value = entry.slot("value", U64, 8, kept=True)
    text = entry.slot("text", None, size, kept=True)
    entry.op(ops.SlotStore, slot=value, value=entry.argument(1, U64))
    address = entry.op(ops.SlotAddr, STACK, slot=text)
    entry.op(
        ops.ReadStr,
        I64,
        dst=address,
        size=size,
        src=entry.argument(0, PtrType(Space.USER)),
        site=0,
    )
    entry.op(ops.Suspend)
    for slot in entry.slots():
        last.slot(slot.name, slot.type, slot.size, kept=True)
    kept = last.op(ops.SlotLoad, U64, slot=value)
    last.emit(value=kept, text=last.op(ops.SlotAddr, STACK, slot=text))
    last.finish()
    fields = (FieldMeta("value", "int", 0, 8), FieldMeta("text", "str", 8, size))
    pair = {"pair": "p", "keeps": entry.slots()}
    made = program(
        entry.function(wide(), name="before", role="entry", **pair),
        last.function(wide(), name="after", role="exit", id=1, **pair),
        schemas=(SchemaMeta(1, "Call", 8 + size, fields),),
    )
    words = ctypes.create_string_buffer(b"x" * (size - 3))
    with compiled(made, kernel.btf) as loaded:
        run(loaded, 0, 0, name="after")  # no entry was seen
        run(loaded, ctypes.addressof(words), 1 << 40, name="before")
        run(loaded, 0, 0, name="after")
        run(loaded, 0, 0, name="after")  # the state is used up
        ((_, payload),) = records(loaded)
        assert payload == pack("<Q", 1 << 40) + words.value.ljust(size, b"\0")
        assert (ledger(loaded), ledger(loaded, 1)) == ({}, {"ran": 1, "tried": 1})
        assert list(loaded.maps["calls"].keys()) == []


def wide():
    """Both words as u64."""
    arguments = raw().arguments
    return raw(arguments=tuple(type(a)(a.name, offset=a.offset) for a in arguments))


def test_calls_that_find_no_room_are_counted(kernel):
    entry, last = Sketch(kernel), Sketch(kernel)
    slot = entry.slot("value", U64, 8, kept=True)
    entry.op(ops.SlotStore, slot=slot, value=Const(1, U64))
    entry.op(ops.Suspend)
    last.finish()
    made = program(
        entry.function(raw(), name="before", role="entry", pair="p", keeps=entry.slots()),
        last.function(raw(), name="after", role="exit", pair="p", id=1),
    )
    low = passes.run(made, kernel.btf)
    spec = read_object(codegen.build(low, kernel.btf), "probe")
    small = tuple(
        type(each)(each.name, "array", 4, each.value_size, 1) if each.name == "calls" else each
        for each in spec.maps
    )
    with load(type(spec)(spec.name, spec.license, spec.programs, small, spec.btf)) as loaded:
        # An array of one element has no room under a key that is a task.
        run(loaded, 0, 0, name="before")
        assert ledger(loaded) == {"ran": 1, "tried": 1, "dropped": 1}


# ---------------------------------------------------------------- the verifier on random reads


class Reader:
    """Adds random reads, from typed arguments on, to a sketch."""

    def __init__(self, btf, s, choose):
        self.btf, self.s, self.choose = btf, s, choose
        self.values = []

    def natural(self, type_id):
        found = self.btf.type(self.btf.resolve(type_id))
        if isinstance(found, Int | Enum) and found.size <= 8:
            return IntType(found.size * 8, signed=found.signed)
        return None

    def grow(self, base, struct, depth):
        known = list(members(self.btf, struct))
        for member in self.choose.sample(known, min(4, len(known))):
            if len(self.values) < 15:
                self.read(base, struct, member, depth)

    def read(self, base, struct, member, depth):
        access, type_id, bits = member.access, member.type_id, member.bit_offset
        found = self.btf.type(self.btf.resolve(type_id))
        if isinstance(found, Array) and found.count:
            index = self.choose.randrange(found.count)
            type_id = found.element_id
            access, bits = (*access, index), bits + index * 8 * self.btf.size_of(type_id)
            found = self.btf.type(self.btf.resolve(type_id))
        root = self.btf.resolve(struct)
        field = FieldRef(root, access, type_id, bits, member.bitfield_size, member.name)
        natural = self.natural(type_id)
        if natural is not None:
            value = self.s.op(ops.FieldLoad, natural, base=base, field=field, site=0)
            self.values.append(self.s.op(ops.Convert, U64, a=value))
        elif isinstance(found, Ptr):
            self.pointer(base, field, found.type_id, depth)
        elif isinstance(found, Struct) and found.members and depth:
            inner = self.s.op(
                ops.FieldAddr, PtrType(Space.KERNEL, type_id), base=base, field=field
            )
            self.grow(inner, type_id, depth - 1)

    def pointer(self, base, field, pointee, depth):
        type_ = PtrType(Space.KERNEL, pointee)
        value = self.s.op(ops.FieldLoad, type_, base=base, field=field, site=0)
        if self.choose.random() < 0.3:  # arithmetic on what may be a typed pointer
            number = self.s.op(ops.Convert, U64, a=value)
            xor = ops.BinaryOp.XOR
            self.values.append(self.s.op(ops.Binary, U64, op=xor, a=number, b=Const(5, U64)))
        if self.choose.random() < 0.3:
            slot = self.s.slot("p", type_, 8)
            self.s.op(ops.SlotStore, slot=slot, value=value)
            value = self.s.op(ops.SlotLoad, type_, slot=slot)
        target = self.btf.type(self.btf.resolve(pointee))
        if isinstance(target, Struct) and target.members and depth:
            self.grow(value, pointee, depth - 1)


def random_reads(kernel, context, choose):
    s = Sketch(kernel)
    reader = Reader(kernel.btf, s, choose)
    typed = [(n, a) for n, a in enumerate(context.arguments) if a.trusted]
    for number, argument in typed[:2]:
        pointer = kernel.btf.type(kernel.btf.resolve(argument.type_id))
        value = s.argument(number, PtrType(Space.KERNEL, pointer.type_id))
        reader.grow(value, pointer.type_id, 3)
    values = {f"f{number}": value for number, value in enumerate(reader.values[:20])}
    s.emit(**values)
    s.finish()
    fields = tuple(FieldMeta(name, "int", 8 * n, 8) for n, name in enumerate(values))
    schema = SchemaMeta(1, "Event", 8 * len(fields), fields)
    return program(s.function(context, filtered=True), schemas=(schema,))


@pytest.mark.parametrize("kind", ["raw_tracepoint", "fentry"])
def test_the_verifier_accepts_reads_along_typed_pointers(kernel, kind):
    found = registry.get(kind)
    why = found.unavailable()
    if why:
        pytest.skip(why)
    btf = kernel.btf
    if kind == "fentry":
        names = sorted(btf.names(Func))
    else:
        names = sorted(n for n in btf.names(Typedef) if n.startswith("btf_trace_"))
    choose = random.Random(7)
    refused, loads = [], 0
    with Child() as child:
        while loads < 25:
            name = choose.choice(names).removeprefix("btf_trace_")
            try:
                context = found.contexts(found.resolve(name, btf), role="probe")[0]
            except TargetError:
                continue
            if not any(each.trusted for each in context.arguments):
                continue
            low = passes.run(random_reads(kernel, context, choose), btf)
            spec = read_object(codegen.build(low, btf, child=child), "probe")
            loads += 1
            try:
                load(spec).close()
            except VerifierError as error:
                # BTF also has functions that no longer have an address.
                if "cannot be found" not in str(error):
                    refused.append(f"{name}: {error}")
            except SyscastError:
                pass  # a function that cannot be traced here
    assert not refused, "\n".join(refused)
