"""Rings of the running kernel, flooded by programs built by hand and run by BPF_PROG_TEST_RUN.

The programs count what they do; whatever was committed must be read, exactly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
import time
import warnings
from dataclasses import dataclass

import pytest

from syscast.asm import build, encode
from syscast.asm.opcodes import (
    BPF_ADD,
    BPF_AND,
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
from syscast.buffers.opening import open_reader
from syscast.buffers.scan import records
from syscast.errors import UsageError
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader import LoadedObject, load
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec

RESERVE, SUBMIT, DISCARD_RECORD, OUTPUT, BOOT_TIME = 131, 132, 133, 25, 125
pytestmark = [pytest.mark.kernel, pytest.mark.native]
PACKET = bytes(64)

COUNTS = "counts"  # u64 runs, committed, dropped, discarded


def assembled(parts):
    """Instructions from a list where a str names a map, and a tuple a map's value at an offset."""
    insns, refs, slot = [], [], 0
    for part in parts:
        made = part
        if isinstance(part[1], str):
            register, name, offset = part
            refs.append(MapRef(slot, name, offset))
            made = build.load_imm64(register, 0)
        insns.append(made)
        slot += made.slots
    return encode(insns), tuple(refs)


def count(offset):
    return [
        (R1, COUNTS, offset),
        build.mov_imm(R2, 1),
        build.atomic(BPF_ADD, BPF_DW, R1, 0, R2),
    ]


def slots_of(parts):
    return sum(2 if isinstance(part[1], str) else part.slots for part in parts)


def flood_program(size, *, discard_odd=False):
    """Reserve, write the run's number into the first word, and commit; count what happened."""
    head = [
        *count(0),
        (R1, COUNTS, 0),
        build.load(BPF_DW, R7, R1),
        (R1, "events", -1),
        build.mov_imm(R2, size),
        build.mov_imm(R3, 0),
        build.call_helper(RESERVE),
        build.mov_reg(R6, R0),
    ]
    dropped = [*count(16), build.mov_imm(R0, 0), build.exit_()]
    discarded = [
        *count(24),
        build.mov_reg(R1, R6),
        build.mov_imm(R2, 0),
        build.call_helper(DISCARD_RECORD),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    write = [build.store(BPF_DW, R6, 0, R7)]
    write += [build.store_imm(BPF_DW, R6, at, 0) for at in range(8, size - 7, 8)]
    odd = []
    if discard_odd:
        odd = [
            build.alu_imm(BPF_AND, R7, 1),
            build.jump_imm(BPF_JEQ, R7, 0, slots_of(discarded)),
            *discarded,
        ]
    tail = [
        *count(8),
        build.mov_reg(R1, R6),
        build.mov_imm(R2, 0),
        build.call_helper(SUBMIT),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    return [
        *head,
        build.jump_imm(BPF_JNE, R0, 0, slots_of(dropped)),
        *dropped,
        *write,
        *odd,
        *tail,
    ]


def perf_program(size):
    """Write time and the run's number onto the stack and output it; count what happened."""
    base = -size
    tail_ok = [*count(8), build.mov_imm(R0, 0), build.exit_()]
    return [
        build.mov_reg(R6, R1),
        *count(0),
        (R1, COUNTS, 0),
        build.load(BPF_DW, R7, R1),
        *[build.store_imm(BPF_DW, R10, at, 0) for at in range(base, 0, 8)],
        build.call_helper(BOOT_TIME),
        build.store(BPF_DW, R10, base, R0),
        build.store(BPF_DW, R10, base + 8, R7),
        build.mov_reg(R1, R6),
        (R2, "events", -1),
        build.load_imm64(R3, 0xFFFFFFFF),  # BPF_F_CURRENT_CPU
        build.mov_reg(R4, R10),
        build.alu_imm(BPF_ADD, R4, base),
        build.mov_imm(R5, size),
        build.call_helper(OUTPUT),
        build.jump_imm(BPF_JNE, R0, 0, slots_of(tail_ok)),
        *tail_ok,
        *count(16),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]


@dataclass
class Flood:
    loaded: LoadedObject

    def run(self, times):
        prog_test_run(self.loaded.programs["flood"].fd, data_in=PACKET, repeat=times)

    @property
    def counts(self):
        return struct.unpack("<4Q", self.loaded.maps[COUNTS].lookup(0))

    @property
    def events(self):
        return self.loaded.maps["events"]


@pytest.fixture
def flood():
    """Make floods: flood(record_size, ring_size, ...) -> Flood."""
    made = []

    def make(size=80, ring_size=1 << 20, *, perf=False, discard_odd=False):
        parts = perf_program(size) if perf else flood_program(size, discard_odd=discard_odd)
        code, refs = assembled(parts)
        program = ProgramSpec("flood", "socket", "socket_filter", "", "", code, refs)
        kind = "perf_event_array" if perf else "ringbuf"
        maps = (MapSpec("events", kind), MapSpec(COUNTS, "array", 4, 32, 1, initial=bytes(32)))
        loaded = load(ObjectSpec("flood", "GPL", (program,), maps), ring_size=ring_size)
        made.append(loaded)
        return Flood(loaded)

    yield make
    for loaded in made:
        loaded.close()


def numbers(found):
    """The run numbers that records of the ring buffer start with."""
    return [int.from_bytes(record[:8], "little") for record in found]


def drain(reader, max_bytes=1 << 20):
    found = []
    while (block := reader.read_block(max_bytes)).data:
        found += records(block.data)[0]
    return found


def test_a_block_holds_what_was_committed(flood):
    made = flood()
    with open_reader(made.events) as reader:
        assert not reader.wait(0)
        assert reader.read_block().data == b""
        made.run(1000)
        assert reader.wait(0)
        assert reader.available() == 1000 * 88
        block = reader.read_block()
        assert (block.stride, block.records, len(block.data)) == (88, 1000, 88_000)
        assert numbers(records(block.data)[0]) == list(range(1, 1001))
        assert reader.available() == 0
        assert not reader.wait(0)


def test_single_records(flood):
    made = flood(24)
    with open_reader(made.events) as reader:
        made.run(10)
        first = reader.read(4)
        assert numbers(first) == [1, 2, 3, 4]
        assert [len(record) for record in first] == [24] * 4
        assert numbers(reader.read()) == [5, 6, 7, 8, 9, 10]
        assert reader.read() == []


def test_a_small_block_takes_at_least_one(flood):
    made = flood(80)
    with open_reader(made.events) as reader:
        made.run(3)
        assert reader.read_block(8).records == 1
        assert reader.read_block(2 * 88 + 87).records == 2


def test_discarded_records_are_left_out(flood):
    made = flood(discard_odd=True)
    with open_reader(made.events) as reader:
        made.run(1000)
        assert made.counts == (1000, 500, 0, 500)
        assert numbers(reader.read(10)) == list(range(2, 22, 2))
        block = reader.read_block()
        assert block.stride == 0
        assert numbers(records(block.data)[0]) == list(range(22, 1001, 2))


def test_records_that_wrap_around_are_whole(flood):
    made = flood(80, 4096)
    seen = []
    with open_reader(made.events) as reader:
        for _ in range(100):
            made.run(7)
            seen += numbers(drain(reader))
    assert seen == list(range(1, 701))


def test_a_full_ring_loses_exactly_what_is_counted(flood):
    made = flood(80, 8192)
    with open_reader(made.events) as reader:
        made.run(1000)
        runs, committed, dropped, _ = made.counts
        found = drain(reader)
        assert len(found) == committed
        assert committed + dropped == runs == 1000
        assert dropped > 800


def test_a_flood_from_another_thread_is_read_or_counted(flood):
    made = flood(80, 1 << 16)
    total, found, last = 300_000, 0, 0
    producer = threading.Thread(target=lambda: [made.run(total // 100) for _ in range(100)])
    with open_reader(made.events) as reader:
        producer.start()
        while producer.is_alive() or reader.available():
            reader.wait(0.01)
            for number in numbers(records(reader.read_block().data)[0]):
                assert number > last
                last = number
                found += 1
        producer.join()
        runs, committed, dropped, _ = made.counts
    assert runs == total
    assert found == committed
    assert committed + dropped == total


def test_perf_rings_hold_the_same(flood):
    made = flood(80, 1 << 20, perf=True)
    with open_reader(made.events, 1 << 20) as reader:
        made.run(1000)
        assert reader.wait(0)
        assert reader.available() == 1000 * 96
        block = reader.read_block()
        assert (block.stride, block.records) == (88, 1000)
        found = records(block.data)[0]
        assert [int.from_bytes(record[8:16], "little") for record in found] == [*range(1, 1001)]
        times = [int.from_bytes(record[:8], "little") for record in found]
        assert times == sorted(times)
        assert reader.lost == 0
        made.run(3)
        assert [int.from_bytes(r[8:16], "little") for r in reader.read(2)] == [1001, 1002]
        assert [int.from_bytes(r[8:16], "little") for r in reader.read(2)] == [1003]


def test_perf_rings_of_foreign_records_keep_their_padding(flood):
    made = flood(24, perf=True)
    with open_reader(made.events, 1 << 16, whole_words=False) as reader:
        made.run(1)
        (record,) = reader.read()
        assert len(record) == 28


@contextlib.contextmanager
def one_cpu():
    """Stay on one CPU: each ring tells its losses by itself."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_perf_rings_lose_exactly_what_is_counted(flood):
    made = flood(80, perf=True)
    with open_reader(made.events, 1 << 14) as reader, one_cpu():
        found = 0
        for _ in range(20):
            made.run(500)
            found += len(drain(reader))
        # The kernel reports a loss together with the next record that fits.
        made.run(1)
        found += len(drain(reader))
        runs, committed, dropped, _ = made.counts
        assert found == committed
        assert reader.lost == dropped == runs - committed > 0


def test_another_thread_wakes_and_closes(flood):
    made = flood()
    reader = open_reader(made.events)
    threading.Timer(0.1, reader.wake).start()
    start = time.monotonic()
    assert not reader.wait(10)
    threading.Timer(0.1, reader.close).start()
    assert not reader.wait(10)
    assert time.monotonic() - start < 5
    assert reader.closed
    assert not reader.wait(10)
    with pytest.raises(UsageError, match="map 'events': read: it is closed"):
        reader.read()
    reader.close()


def test_waiting_ends_when_a_record_comes(flood):
    made = flood()
    with open_reader(made.events) as reader:
        threading.Timer(0.1, lambda: made.run(1)).start()
        assert reader.wait(10)
        assert numbers(reader.read()) == [1]


def test_a_signal_handler_may_wake(flood):
    made = flood()
    with open_reader(made.events) as reader:
        before = signal.signal(signal.SIGALRM, lambda *_: reader.wake())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            start = time.monotonic()
            assert not reader.wait(10)
            assert time.monotonic() - start < 5
        finally:
            signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("perf", [False, True], ids=["ringbuf", "perf"])
def test_a_forked_child_cannot_read(flood, perf):
    made = flood(perf=perf)
    with open_reader(made.events, 1 << 16) as reader:
        made.run(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of earlier tests
            child = os.fork()
        if not child:
            code = 0
            for use in (reader.read, reader.read_block, reader.available, reader.wait):
                try:
                    use()
                except UsageError as error:
                    code += "was forked" in str(error)
            reader.close()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 4
        assert len(reader.read()) == 5
        made.run(1)
        assert reader.wait(1)
        assert len(reader.read()) == 1


def test_a_map_that_is_no_ring(flood):
    made = flood()
    with pytest.raises(UsageError, match="map 'counts': read: a map of type array is no ring"):
        open_reader(made.loaded.maps[COUNTS])
