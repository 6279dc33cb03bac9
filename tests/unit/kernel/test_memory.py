from __future__ import annotations

import os
import struct
import warnings

import pytest

from syscast.asm import build as b
from syscast.asm import encode
from syscast.asm import opcodes as op
from syscast.errors import KernelError
from syscast.kernel import bpfmaps, bpfprogs, memory, perf
from syscast.kernel.bpfmaps import MapAttr
from syscast.kernel.bpfprogs import ProgAttr

pytestmark = pytest.mark.usefixtures("bpf")

SIZE = 4 * memory.PAGE_SIZE
RINGBUF_OUTPUT = 130
PERF_EVENT_OUTPUT = 25
CURRENT_CPU = 0xFFFFFFFF


def writer(ring_number: int) -> bytes:
    """A raw tracepoint that sends its first argument to a ring."""
    return encode(
        [
            b.load(op.BPF_DW, op.R1, op.R1, 0),
            b.store(op.BPF_DW, op.R10, -8, op.R1),
            b.mov_reg(op.R2, op.R10),
            b.alu_imm(op.BPF_ADD, op.R2, -8),
            b.load_map(op.R1, ring_number),
            b.mov_imm(op.R3, 8),
            b.mov_imm(op.R4, 0),
            b.call_helper(RINGBUF_OUTPUT),
            b.mov_imm(op.R0, 0),
            b.exit_(),
        ]
    )


def test_records_wrap_around_contiguously() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, SIZE, name="ring")) as ring:
        attr = ProgAttr(bpfprogs.TYPE_RAW_TRACEPOINT, writer(ring.fileno()), name="writer")
        with bpfprogs.prog_load(attr) as prog:
            pages = memory.RingMemory(ring, SIZE)
            position = 0
            for number in range(SIZE // 16 * 2 + 3):
                value = struct.pack("<Q", number)
                bpfprogs.prog_test_run(prog, ctx_in=value)
                assert pages.producer() == position + 16
                start = position & (SIZE - 1)
                header, payload = struct.unpack_from("<I4xQ", pages.data, start)
                assert (header, payload) == (8, number)
                position += 16
                pages.consume(position)
            assert pages.consumer() == position
            # What lies behind the end is the beginning.
            assert pages.data[SIZE : SIZE + 64] == pages.data[:64]
            pages.close()
            with pytest.raises(ValueError, match="released"):
                pages.producer()


def test_an_mmapable_array_shows_what_is_written() -> None:
    attr = MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 2, flags=bpfmaps.F_MMAPABLE, name="stats")
    with (
        bpfmaps.map_create(attr) as array,
        memory.Mapping(array, memory.PAGE_SIZE, writable=True) as pages,
    ):
        counters = pages.part(0, 16, "Q")
        bpfmaps.update(array, struct.pack("<I", 1), struct.pack("<Q", 42))
        assert counters[1] == 42
        counters[0] = 7
        assert bpfmaps.lookup(array, bytes(4), 8) == struct.pack("<Q", 7)


def test_a_map_that_cannot_be_mapped_is_refused() -> None:
    with (
        bpfmaps.map_create(MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1, name="plain")) as array,
        pytest.raises(KernelError, match="map 'plain': map 4096 bytes at 0: "),
    ):
        memory.Mapping(array, memory.PAGE_SIZE)


def test_a_forked_child_has_no_ring_and_does_not_crash() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, SIZE)) as ring:
        pages = memory.RingMemory(ring, SIZE)
        pages.consume(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                pages.consume(4096)
            except ValueError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert pages.consumer() == 0
        pages.close()


def test_closing_under_a_users_view_is_refused() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, SIZE)) as ring:
        pages = memory.RingMemory(ring, SIZE)
        held = memoryview(pages.data)[:8]
        with pytest.raises(BufferError):
            pages.close()
        held.release()
        pages.close()


def test_perf_ring_delivers_a_record() -> None:
    cpu = min(os.sched_getaffinity(0))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    attr = MapAttr(bpfmaps.TYPE_PERF_EVENT_ARRAY, 4, 4, cpu + 1, name="perf")
    try:
        with bpfmaps.map_create(attr) as array, perf.open_bpf_output(cpu) as event:
            number = struct.pack("<I", event.fileno())
            bpfmaps.update(array, struct.pack("<I", cpu), number)
            pages = memory.PerfRingMemory(event, SIZE)
            perf.enable(event)
            code = [
                b.store_imm(op.BPF_DW, op.R10, -8, 77),
                b.load_map(op.R2, array.fileno()),
                b.load_imm64(op.R3, CURRENT_CPU),
                b.mov_reg(op.R4, op.R10),
                b.alu_imm(op.BPF_ADD, op.R4, -8),
                b.mov_imm(op.R5, 8),
                b.call_helper(PERF_EVENT_OUTPUT),
                b.exit_(),
            ]
            attr_prog = ProgAttr(bpfprogs.TYPE_RAW_TRACEPOINT, encode(code), name="out")
            with bpfprogs.prog_load(attr_prog) as prog:
                assert bpfprogs.prog_test_run(prog, ctx_in=bytes(8)).retval == 0
            # struct perf_event_header, then u32 size and the bytes.
            kind, _, size = struct.unpack_from("<IHH", pages.data, 0)
            assert kind == 9
            assert pages.producer() == size
            assert struct.unpack_from("<Q", pages.data, 12)[0] == 77
            pages.consume(size)
            assert pages.consumer() == size
            pages.close()
    finally:
        os.sched_setaffinity(0, allowed)
