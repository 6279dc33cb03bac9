"""bcc's tables over real maps: ctypes in and out, batches, CPUs, rings, what their methods raise."""

from __future__ import annotations

import ctypes as ct
import errno
import os
import struct
from types import SimpleNamespace

import pytest

from syscast.asm import build, encode
from syscast.asm.opcodes import (
    BPF_ADD,
    BPF_DW,
    BPF_JEQ,
    BPF_JNE,
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R10,
)
from syscast.bcc.polling import Polling
from syscast.bcc.table import FileDesc, table_of
from syscast.errors import KernelError
from syscast.kernel import bpfmaps
from syscast.kernel.bpfprogs import prog_test_run
from syscast.kernel.host import online_cpus, possible_cpus
from syscast.loader import load
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec
from syscast.spec.tables import CDesc, CMember, TableMeta

pytestmark = [pytest.mark.kernel, pytest.mark.native]

S32 = CDesc("int", "int", 4, signed=True, align=4)
U32 = CDesc("int", "unsigned int", 4, align=4)
U64 = CDesc("int", "unsigned long long", 8, align=8)
CHAR = CDesc("char", "char", 1, signed=True)
COMM = CDesc("array", "char[16]", 16, element=CHAR, count=16)
MEMBERS = (CMember("number", U64, 0), CMember("tail", U64, 8))
RECORD = CDesc("struct", "struct data_t", 16, align=8, members=MEMBERS)
PACKET = bytes(64)


class Bpf:
    """The part of a BPF object that tables see."""

    def __init__(self, maps, metas, program=None):
        programs = (program,) if program else ()
        self.loaded = load(ObjectSpec("bcctables", "GPL", programs, tuple(maps)))
        self.metas = {meta.name: meta for meta in metas}
        self.perf_buffers, self.ring_buffers, self.open_perf_events = {}, {}, {}

    def map_named(self, name):
        return self.loaded.maps.get(name)

    def table(self, name, **more):
        return table_of(self, self.metas[name], self.loaded.maps[name], **more)

    def run(self, times=1):
        prog_test_run(self.loaded.programs["send"].fd, data_in=PACKET, repeat=times)

    def close(self):
        for each in (self.perf_buffers, self.ring_buffers, self.open_perf_events):
            for one in each.values():
                one.close()
        self.loaded.close()


@pytest.fixture
def tables():
    """Make one table: tables(type, key, leaf, entries, ...) -> its class for the map."""
    made = []

    def make(kind, key=U32, leaf=U64, entries=16, *, flags=0, word="", value_size=0, **more):
        key_size = key.size if key else 0
        spec = MapSpec(
            "t", kind, key_size, value_size or (leaf.size if leaf else 0), entries, flags
        )
        bpf = Bpf([spec], [TableMeta("t", word or kind, key, leaf, entries, flags)])
        made.append(bpf)
        return bpf.table("t", **more)

    yield make
    for bpf in made:
        bpf.close()


def pairs(found):
    return sorted((key.value, leaf.value) for key, leaf in found)


def test_a_hash_is_a_mapping(tables):
    table = tables("hash", U64, U64)
    assert type(table).__name__ == "HashTable"
    assert table.Key is ct.c_ulonglong
    assert len(table) == 0
    table[ct.c_ulonglong(5)] = ct.c_ulonglong(7)
    table[table.Key(6)] = table.Leaf(8)
    assert table[ct.c_ulonglong(5)].value == 7
    assert pairs(table.items()) == [(5, 7), (6, 8)]
    assert (
        sorted(key.value for key in table) == sorted(each.value for each in table.iter()) == [5, 6]
    )
    assert sorted(leaf.value for leaf in table.values()) == [7, 8]
    assert ct.c_ulonglong(6) in table
    assert ct.c_ulonglong(9) not in table
    assert table.get(ct.c_ulonglong(9)) is None
    del table[ct.c_ulonglong(5)]
    with pytest.raises(KeyError):
        table[ct.c_ulonglong(5)]
    with pytest.raises(KeyError):
        del table[ct.c_ulonglong(5)]
    table.zero()
    assert pairs(table.items()) == [(6, 0)]
    table.clear()
    assert table.items() == []


def test_a_full_hash_refuses(tables):
    table = tables("hash", entries=2)
    for key in range(2):
        table[ct.c_uint(key)] = ct.c_ulonglong(1)
    with pytest.raises(KernelError) as caught:
        table[ct.c_uint(9)] = ct.c_ulonglong(1)
    assert caught.value.errno == errno.E2BIG


def test_keys_and_values_of_another_size(tables):
    table = tables("hash")
    table[ct.c_ulonglong(1)] = ct.c_int(2)
    assert pairs(table.items()) == [(1, 2)]
    assert table[ct.c_ubyte(1)].value == 2


def test_what_vanishes_during_a_walk_is_left_out(tables):
    table = tables("hash")
    for key in range(8):
        table[ct.c_uint(key)] = ct.c_ulonglong(key)
    walk = table.iteritems()
    next(walk)
    table.clear()
    assert list(walk) == []


def test_structs_as_keys_and_values(tables):
    members = (CMember("pid", U32, 0), CMember("slot", U64, 8))
    key = CDesc("struct", "struct key_t", 16, align=8, members=members)
    table = tables("hash", key, COMM)
    one = table.Key(pid=3, slot=4)
    table[one] = ct.create_string_buffer(b"bash", 16)
    ((found, comm),) = table.items()
    assert (found.pid, found.slot, comm.value) == (3, 4, b"bash")
    assert table.key_sprintf(found) == b"{ 0x3 0x4 }"
    assert table.leaf_sprintf(comm) == b'"bash"'
    again = table.key_scanf("{ 0x3 0x4 }")
    assert table[again].value == b"bash"
    assert table.leaf_scanf(b'"sh"').value == b"sh"


def test_classes_of_the_user(tables):
    class Key(ct.Structure):
        _fields_ = (("low", ct.c_ushort), ("high", ct.c_ushort))

    table = tables("hash", keytype=Key)
    table[Key(1, 2)] = ct.c_ulonglong(5)
    assert [(key.low, key.high) for key in table] == [(1, 2)]


BATCHED = ("hash", "lru_hash", "array", "lpm_trie")


@pytest.mark.parametrize("kind", BATCHED)
def test_batches(tables, kind):
    flags = bpfmaps.F_NO_PREALLOC if kind == "lpm_trie" else 0
    table = tables(kind, U64 if kind == "lpm_trie" else U32, U64, 32, flags=flags)
    # Of a trie the first four bytes are the length of the prefix.
    wanted = [(at << 32 | 32 if kind == "lpm_trie" else at, at * at) for at in range(32)]
    keys = (table.Key * 32)(*[key for key, _ in wanted])
    table.items_update_batch(keys, (table.Leaf * 32)(*[leaf for _, leaf in wanted]))
    assert pairs(table.items_lookup_batch()) == wanted
    assert pairs(table.items()) == wanted
    if kind == "array":
        return
    table.items_delete_batch((table.Key * 2)(wanted[0][0], wanted[1][0]))
    assert pairs(table.items_lookup_batch()) == wanted[2:]
    assert pairs(table.items_lookup_and_delete_batch()) == wanted[2:]
    assert len(table) == 0
    table[table.Key(wanted[3][0])] = table.Leaf(1)
    table.items_delete_batch()
    assert len(table) == 0


@pytest.mark.parametrize("kind", ["hash", "array"])
def test_batches_where_the_kernel_has_none(tables, kind, monkeypatch):
    def refuse(*_args, **_more):
        raise KernelError("map 't': read a batch: invalid argument", errno.EINVAL)

    def refuse_reading(*_args, **_more):
        refuse()
        yield

    monkeypatch.setattr(bpfmaps, "lookup_batch", refuse_reading)
    monkeypatch.setattr(bpfmaps, "update_batch", refuse)
    monkeypatch.setattr(bpfmaps, "delete_batch", refuse)
    table = tables(kind, entries=4)
    table.items_update_batch((ct.c_uint * 2)(1, 2), (ct.c_ulonglong * 2)(3, 4))
    assert {(1, 3), (2, 4)} <= set(pairs(table.items_lookup_batch()))
    if kind == "hash":
        table.items_delete_batch((ct.c_uint * 1)(1))
        assert pairs(table.items_lookup_and_delete_batch()) == [(2, 4)]
        assert len(table) == 0


def test_batches_of_more_than_a_block(tables):
    table = tables("hash", S32, S32, 5000)
    count = 5000
    table.items_update_batch((ct.c_int * count)(*range(count)), (ct.c_int * count)(*range(count)))
    assert pairs(table.items_lookup_batch()) == [(at, at) for at in range(count)]
    with pytest.raises(ValueError, match="as many keys as values"):
        table.items_update_batch((ct.c_int * 2)(), (ct.c_int * 3)())


def test_arrays_are_indexed(tables):
    table = tables("array", S32, U64, 128)
    table[0] = ct.c_ulonglong(100)
    table[-2] = ct.c_ulonglong(37)
    table[ct.c_int(127)] = ct.c_ulonglong(1000)
    assert len(table) == 128
    assert (table[-2].value, table[126].value, table[-1].value) == (37, 37, 1000)
    assert {key.value: leaf.value for key, leaf in table.items() if leaf.value} == {
        0: 100,
        126: 37,
        127: 1000,
    }
    for index in (128, -129):
        with pytest.raises(IndexError):
            table[index]
    del table[0]
    table.clearitem(-1)
    assert [leaf.value for leaf in table.values() if leaf.value] == [37]
    table.clear()
    assert not any(leaf.value for leaf in table.values())


def test_lpm_tries_find_the_longest_prefix(tables):
    class KeyV4(ct.Structure):
        _fields_ = (("prefixlen", ct.c_uint), ("data", ct.c_ubyte * 4))

    table = tables("lpm_trie", U64, S32, 16, flags=bpfmaps.F_NO_PREALLOC)
    table[KeyV4(24, (192, 168, 0, 0))] = ct.c_int(24)
    table[KeyV4(28, (192, 168, 0, 0))] = ct.c_int(28)
    assert table[KeyV4(32, (192, 168, 0, 15))].value == 28
    assert table[KeyV4(32, (192, 168, 0, 127))].value == 24
    with pytest.raises(KeyError):
        table[KeyV4(32, (172, 16, 1, 127))]


@pytest.mark.parametrize("kind", ["percpu_hash", "percpu_array", "lru_percpu_hash"])
@pytest.mark.parametrize("leaf", [U64, U32, S32])
def test_values_of_each_cpu(tables, kind, leaf):
    # An LRU of few elements keeps none for CPUs that did not ask.
    table = tables(kind, U32, leaf, 1 if kind != "lru_percpu_hash" else 512)
    cpus = possible_cpus()
    assert table.total_cpu == cpus
    assert ct.sizeof(table.Leaf) == leaf.size * cpus
    values = table.Leaf()
    for cpu in range(cpus):
        values[cpu] = cpu + 1
    table[table.Key(0)] = values
    assert (
        list(table[table.Key(0)]) == list(table.getvalue(table.Key(0))) == list(range(1, cpus + 1))
    )
    assert table.sum(table.Key(0)).value == cpus * (cpus + 1) // 2
    assert table.max(table.Key(0)).value == cpus
    assert table.average(table.Key(0)).value == cpus * (cpus + 1) // 2 // cpus
    assert len(table) == 1
    assert [list(value) for _, value in table.items()] == [list(range(1, cpus + 1))]
    table.zero()
    assert table.sum(table.Key(0)).value == 0


def test_reducers(tables):
    members = (CMember("c1", U32, 0), CMember("c2", U32, 4))
    counter = CDesc("struct", "struct counter", 8, align=4, members=members)
    table = tables("percpu_hash", U32, counter)
    table = table_of(
        table.bpf, table.meta, table._map, reducer=lambda x, y: table.sLeaf(x.c1 + y.c1)
    )
    values = table.Leaf()
    for cpu in range(table.total_cpu):
        values[cpu] = table.sLeaf(2, 1)
    table[table.Key(0)] = values
    assert table[table.Key(0)].c1 == 2 * table.total_cpu
    with pytest.raises(IndexError, match="integer type"):
        table.sum(table.Key(0))


def test_reduced_items(tables):
    table = tables("percpu_hash", U32, U64)
    table = table_of(table.bpf, table.meta, table._map, reducer=lambda x, y: x + y)
    values = table.Leaf(*range(table.total_cpu))
    table[table.Key(1)] = values
    wanted = sum(range(table.total_cpu))
    assert [(key.value, value) for key, value in table.items()] == [(1, wanted)]
    assert table.values() == [wanted]


def test_values_of_each_cpu_in_batches(tables):
    table = tables("percpu_hash", U32, U32, 8)
    values = (table.Leaf * 2)()
    values[1][0] = 7
    table.items_update_batch((table.Key * 2)(1, 2), values)
    assert {key.value: leaf[0] for key, leaf in table.items_lookup_batch()} == {1: 0, 2: 7}


@pytest.mark.parametrize(("kind", "order"), [("queue", range(10)), ("stack", range(9, -1, -1))])
def test_queues_and_stacks(tables, kind, order):
    table = tables(kind, None, U64, 10)
    for number in range(10):
        table.push(ct.c_ulonglong(number))
    with pytest.raises(KernelError):
        table.push(ct.c_ulonglong(10))
    assert table.peek().value == order[0]
    assert [table.pop().value for _ in range(10)] == list(order)
    with pytest.raises(KeyError):
        table.peek()
    with pytest.raises(KeyError):
        table.pop()
    for number in range(11):
        table.push(ct.c_ulonglong(number), table.BPF_EXIST)
    assert len(table.values()) == 10
    assert table.leaf_sprintf(ct.c_ulonglong(3)) == b"0x3"


def test_maps_in_maps(tables):
    inner = tables("hash", S32, S32, 8)
    model = MapSpec("t.inner", "hash", 4, 4, 8)
    for kind in ("hash_of_maps", "array_of_maps"):
        bpf = Bpf([MapSpec("t", kind, 4, 4, 4, inner=model)], [TableMeta("t", kind, S32, S32, 4)])
        outer = bpf.table("t")
        outer[ct.c_int(1)] = ct.c_int(inner.get_fd())
        assert [key.value for key, _ in outer.items()] == [1]
        assert outer[ct.c_int(1)].value == inner._map.info().id
        del outer[ct.c_int(1)]
        assert outer.items() == []
        bpf.close()


def test_programs_for_tail_calls(tables):
    table = tables("prog_array", U32, U32, 4)
    code = encode([build.mov_imm(R0, 0), build.exit_()])
    program = ProgramSpec("send", "socket", "socket_filter", "", "", code)
    with load(ObjectSpec("tail", "GPL", (program,), ())) as loaded:
        table[2] = SimpleNamespace(fd=loaded.programs["send"].fd.fileno())
        assert [key.value for key, _ in table.items()] == [2]
        del table[2]
        assert table.items() == []
        with pytest.raises(KeyError):
            del table[2]


@pytest.mark.parametrize(("kind", "value"), [("devmap", 1), ("cpumap", 192)])
def test_devices_and_cpus(tables, kind, value):
    table = tables(kind, U32, U32, 2)
    assert table.items() == []
    table[1] = ct.c_uint(value)  # the loopback device; a queue of 192 packets to the second CPU
    assert pairs(table.items()) == [(1, value)]
    del table[1]
    assert table.items() == []
    with pytest.raises(IndexError):
        table[2] = ct.c_uint(value)


def test_packet_sockets(tables):
    table = tables("xskmap", U32, U32, 2)
    assert type(table).__name__ == "XskMap"
    with pytest.raises(KernelError), FileDesc(os.open(os.devnull, os.O_RDONLY)) as held:
        table[0] = held.fd


def test_control_groups(tables, tmp_path):
    table = tables("cgroup_array", U32, U32, 2)
    with pytest.raises(KernelError):
        table[0] = ct.c_int(0)
    with pytest.raises(KernelError):
        table[0] = str(tmp_path)  # no control group
    with FileDesc(os.open(tmp_path, os.O_RDONLY)) as held:
        assert held.fd > 2
    assert held.fd == -1
    with pytest.raises(Exception, match="Invalid file descriptor"):
        FileDesc(-1)


def test_stacks(tables):
    trace = CDesc("array", "u64[127]", 127 * 8, align=8, element=U64, count=127)
    table = tables("stack_trace", S32, trace, 16)
    with pytest.raises(KeyError):
        table.walk(5)
    with pytest.raises(KeyError):
        table.walk(-errno.EFAULT)
    table.clear()


def test_histograms_of_arrays(tables, capsys):
    table = tables("array", S32, U64, 65)
    table[1], table[3] = ct.c_ulonglong(5), ct.c_ulonglong(10)
    table.print_log2_hist("usecs")
    assert capsys.readouterr().out.splitlines() == [
        "     usecs               : count     distribution",
        "         0 -> 1          : 5        |********************                    |",
        "         2 -> 3          : 0        |                                        |",
        "         4 -> 7          : 10       |****************************************|",
    ]


def sender(parts):
    """A program of instructions and, as tuples, of maps in registers."""
    insns, refs, slot = [], [], 0
    for part in parts:
        made = part
        if isinstance(part[1], str):
            register, name, offset = part
            refs.append(MapRef(slot, name, offset))
            made = build.load_imm64(register, 0)
        insns.append(made)
        slot += made.slots
    return ProgramSpec("send", "socket", "socket_filter", "", "", encode(insns), tuple(refs))


def numbered():
    """R7 = the number of the run, from 1 on."""
    return [
        (R1, "runs", 0),
        build.mov_imm(R2, 1),
        build.atomic(BPF_ADD, BPF_DW, R1, 0, R2),
        (R1, "runs", 0),
        build.load(BPF_DW, R7, R1),
    ]


def perf_sender():
    return sender(
        [
            build.mov_reg(R6, R1),
            *numbered(),
            build.store(BPF_DW, R10, -16, R7),
            build.store_imm(BPF_DW, R10, -8, 0x77),
            build.mov_reg(R1, R6),
            (R2, "events", -1),
            build.load_imm64(R3, 0xFFFFFFFF),  # BPF_F_CURRENT_CPU
            build.mov_reg(R4, R10),
            build.alu_imm(BPF_ADD, R4, -16),
            build.mov_imm(R5, 16),
            build.call_helper(25),  # perf_event_output
            build.mov_imm(R0, 0),
            build.exit_(),
        ],
    )


def ring_sender():
    lost = [
        build.store_imm(BPF_DW, R10, -8, 0),
        build.mov_reg(R2, R10),
        build.alu_imm(BPF_ADD, R2, -8),
        (R1, "syscast_lost", -1),
        build.call_helper(1),  # map_lookup_elem
        build.jump_imm(BPF_JEQ, R0, 0, 3),
        build.load(BPF_DW, R1, R0),
        build.alu_imm(BPF_ADD, R1, 1),
        build.store(BPF_DW, R0, 0, R1),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    send = [
        build.store(BPF_DW, R0, 0, R7),
        build.store_imm(BPF_DW, R0, 8, 0x77),
        build.mov_reg(R1, R0),
        build.mov_imm(R2, 0),
        build.call_helper(132),  # ringbuf_submit
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    reserve = [
        (R1, "events", -1),
        build.mov_imm(R2, 16),
        build.mov_imm(R3, 0),
        build.call_helper(131),  # ringbuf_reserve
        build.jump_imm(BPF_JNE, R0, 0, 12),  # of the lost ones: one instruction of two slots
    ]
    return sender([*numbered(), *reserve, *lost, *send])


RUNS = MapSpec("runs", "array", 4, 8, 1, initial=bytes(8))


@pytest.fixture
def perf():
    """A table that a program sends 16 bytes through each time it runs."""
    meta = TableMeta("events", "perf_output", S32, U32, event=RECORD)
    bpf = Bpf([MapSpec("events", "perf_event_array"), RUNS], [meta], perf_sender())
    yield bpf
    bpf.close()


@pytest.fixture
def ring():
    """A ring of one page for the same."""
    size = os.sysconf("SC_PAGESIZE")
    maps = [MapSpec("events", "ringbuf", max_entries=size), RUNS]
    maps.append(MapSpec("syscast_lost", "percpu_array", 4, 8, 1))
    bpf = Bpf(
        maps, [TableMeta("events", "ringbuf", event=RECORD, max_entries=size)], ring_sender()
    )
    yield bpf
    bpf.close()


def consume(bpf):
    return sum(
        reader.consume() for reader in [*bpf.perf_buffers.values(), *bpf.ring_buffers.values()]
    )


def test_perf_buffers_call_back(perf):
    table = perf.table("events")
    found = []

    class Data(ct.Structure):
        _fields_ = (("number", ct.c_ulonglong), ("tail", ct.c_ulonglong))

    def callback(cpu, data, size):
        event = table.event(data)
        same = ct.cast(data, ct.POINTER(Data)).contents
        found.append((cpu in online_cpus(), event.number, same.number, same.tail, size))

    table.open_perf_buffer(callback)
    assert {cpu for _, cpu in perf.perf_buffers} == set(online_cpus())
    perf.run(3)
    assert consume(perf) == 3
    # 16 bytes, and the padding that makes it a multiple of 8 with the size in front.
    assert sorted(found) == [(True, number, number, 0x77, 20) for number in (1, 2, 3)]
    assert consume(perf) == 0


def test_lost_perf_records_are_reported(perf, capsys):
    table = perf.table("events")
    lost, seen = [], []
    table.open_perf_buffer(
        lambda _cpu, data, _size: seen.append(table.event(data).number), 1, lost.append
    )
    perf.run(1000)
    consume(perf)
    perf.run(1)  # the kernel tells of the loss when the next record fits
    consume(perf)
    total = struct.unpack("<Q", perf.loaded.maps["runs"].lookup(0))[0]
    assert lost
    assert len(seen) + sum(lost) == total
    table.open_perf_buffer(lambda *_: None, page_cnt=1)
    perf.run(1000)
    consume(perf)
    perf.run(1)
    consume(perf)
    assert "Possibly lost " in capsys.readouterr().err


def test_pages_are_a_power_of_two(perf):
    with pytest.raises(Exception, match="must be a power of two"):
        perf.table("events").open_perf_buffer(print, page_cnt=3)


@pytest.mark.parametrize("kind", ["perf", "ring"])
def test_a_callback_that_raises_loses_nothing(kind, request):
    bpf = request.getfixturevalue(kind)
    table = bpf.table("events")
    seen = []

    def callback(_first, data, _size):
        number = table.event(data).number
        if number == 2 and 2 not in seen:
            seen.append(2)
            raise KeyboardInterrupt
        seen.append(number)

    getattr(table, f"open_{kind}_buffer")(callback)
    bpf.run(4)
    with pytest.raises(KeyboardInterrupt):
        consume(bpf)
    consume(bpf)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["perf", "ring"])
def test_a_broken_pipe_ends_the_process(kind, request):
    bpf = request.getfixturevalue(kind)

    def callback(*_args):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    getattr(bpf.table("events"), f"open_{kind}_buffer")(callback)
    bpf.run()
    with pytest.raises(SystemExit):
        consume(bpf)


def test_ring_buffers_call_back(ring):
    table = ring.table("events")
    found = []
    context = object()

    def callback(ctx, data, size):
        event = table.event(data)
        found.append((ctx is context, event.number, event.tail, size))

    table.open_ring_buffer(callback, context)
    ring.run(3)
    assert consume(ring) == 3
    assert found == [(True, number, 0x77, 16) for number in (1, 2, 3)]


def test_a_negative_result_ends_the_round(ring):
    table = ring.table("events")
    seen = []

    def callback(_ctx, data, _size):
        seen.append(table.event(data).number)
        return -1

    table.open_ring_buffer(callback)
    ring.run(2)
    assert consume(ring) == 1
    assert consume(ring) == 1
    assert seen == [1, 2]


def test_a_round_that_was_ended_goes_on_without_new_records(ring):
    table = ring.table("events")
    seen = []

    def callback(_ctx, data, _size):
        seen.append(table.event(data).number)
        return -1

    table.open_ring_buffer(callback)
    ring.run(3)
    polling = Polling()
    polling.ring_buffers.update(ring.ring_buffers)
    for _ in range(4):
        polling.ring_buffer_poll(0)
    polling._rings.close()
    assert seen == [1, 2, 3]


def test_lost_ring_records_are_reported(ring, capsys):
    table = ring.table("events")
    seen = []
    table.open_ring_buffer(lambda _ctx, data, _size: seen.append(table.event(data).number))
    ring.run(1000)
    consume(ring)
    lost = 1000 - len(seen)
    assert lost > 0
    assert capsys.readouterr().err == f"Possibly lost {lost} samples\n"
    ring.run(5)
    consume(ring)
    assert capsys.readouterr().err == ""


def test_a_ring_fuller_than_its_memory_is_read_in_parts(ring):
    table = ring.table("events")
    seen = []
    table.open_ring_buffer(lambda _ctx, data, _size: seen.append(table.event(data).number))
    for _ in range(20):
        ring.run(150)
        consume(ring)
    assert seen == list(range(1, 3001))


def test_events_need_a_struct(tables):
    table = tables("perf_event_array", U32, U32, possible_cpus(), word="perf_output")
    with pytest.raises(Exception, match="sends no struct"):
        table.event(0)


def test_counters(tables):
    table = tables("perf_event_array", U32, U32, possible_cpus(), word="perf_array")
    table.open_perf_event(1, 0)  # PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK
    assert len(table.bpf.open_perf_events) == len(online_cpus())
    del table[online_cpus()[0]]
    assert len(table.bpf.open_perf_events) == len(online_cpus()) - 1
