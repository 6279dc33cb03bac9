"""Probes of maps and buffers."""

from __future__ import annotations

import struct

from syscast.asm import build
from syscast.asm.opcodes import BPF_DW, R0, R1
from syscast.features.btf_kinds import blob
from syscast.features.feature import Feature, Result, attempt
from syscast.features.programs import load
from syscast.kernel import bpfmaps, bpfprogs, host, perf
from syscast.kernel.bpfmaps import MapAttr
from syscast.kernel.memory import PAGE_SIZE, Mapping, RingMemory


def _create(attr: MapAttr) -> Result:
    return attempt(lambda: bpfmaps.map_create(attr).close())


def _ringbuf() -> Result:
    def probe() -> None:
        attr = MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, PAGE_SIZE, name="probe")
        with bpfmaps.map_create(attr) as ring:
            RingMemory(ring, PAGE_SIZE).close()

    return attempt(probe)


def _ringbuf_overwrite() -> Result:
    def probe() -> None:
        flags = bpfmaps.F_RB_OVERWRITE
        attr = MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, PAGE_SIZE, flags=flags, name="probe")
        bpfmaps.map_create(attr).close()

    return attempt(probe)


def _perf_buffer() -> Result:
    def probe() -> None:
        cpu = host.online_cpus()[0]
        attr = MapAttr(bpfmaps.TYPE_PERF_EVENT_ARRAY, 4, 4, cpu + 1, name="probe")
        with bpfmaps.map_create(attr) as array, perf.open_bpf_output(cpu) as event:
            bpfmaps.update(array, struct.pack("<I", cpu), struct.pack("<I", event.fileno()))

    return attempt(probe)


def _global_data() -> Result:
    def probe() -> None:
        with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_ARRAY, 4, 32, 1, name="probe")) as array:
            code = [
                build.load_map_value(R1, array.fileno(), 16),
                build.store_imm(BPF_DW, R1, 0, 42),
                build.mov_imm(R0, 0),
                build.exit_(),
            ]
            load(bpfprogs.TYPE_SOCKET_FILTER, code).close()

    return attempt(probe)


def _map_freeze() -> Result:
    def probe() -> None:
        attr = MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1, flags=bpfmaps.F_RDONLY_PROG, name="probe")
        with bpfmaps.map_create(attr) as array:
            bpfmaps.freeze(array)

    return attempt(probe)


def _mmapable_array() -> Result:
    def probe() -> None:
        attr = MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1, flags=bpfmaps.F_MMAPABLE, name="probe")
        with bpfmaps.map_create(attr) as array:
            Mapping(array, PAGE_SIZE, writable=True).close()

    return attempt(probe)


def _batches(map_type: int, cpus: int) -> Result:
    def probe() -> None:
        with bpfmaps.map_create(MapAttr(map_type, 4, 8, 2, name="probe")) as fd:
            bpfmaps.update(fd, bytes(4), bytes(8 * cpus))
            for _ in bpfmaps.lookup_batch(fd, 4, 8 * cpus, 2):
                pass

    return attempt(probe)


def _task_storage() -> Result:
    def probe() -> None:
        with bpfprogs.btf_load(blob(), "probe") as btf:
            attr = MapAttr(
                bpfmaps.TYPE_TASK_STORAGE,
                4,
                4,
                0,
                flags=bpfmaps.F_NO_PREALLOC,
                name="probe",
                btf=btf,
                btf_key_type_id=1,
                btf_value_type_id=1,
            )
            bpfmaps.map_create(attr).close()

    return attempt(probe)


ROWS = (
    Feature("ringbuf", "the BPF ring buffer", "one perf buffer per CPU", _ringbuf),
    Feature(
        "ringbuf_overwrite",
        "ring buffers that keep the newest records",
        "a perf ring per CPU, paused while it is copied",
        _ringbuf_overwrite,
    ),
    Feature("perf_buffer", "per-CPU perf buffers", "only the ring buffer", _perf_buffer),
    Feature(
        "global_data",
        "direct access to global variables",
        "nothing works without it",
        _global_data,
    ),
    Feature(
        "map_freeze",
        "maps that stay constant, so that the verifier knows their values",
        "constants are checked at run time",
        _map_freeze,
    ),
    Feature(
        "mmapable_array", "arrays mapped into memory", "system calls per look", _mmapable_array
    ),
    Feature(
        "map_batch",
        "many elements of a hash map per system call",
        "one system call per element",
        lambda: _batches(bpfmaps.TYPE_HASH, 1),
    ),
    Feature(
        "percpu_array_batch",
        "many elements of a per-CPU array per system call",
        "one system call per element",
        lambda: _batches(bpfmaps.TYPE_PERCPU_ARRAY, host.possible_cpus()),
    ),
    Feature(
        "percpu_hash",
        "per-CPU hash maps",
        "nothing counts per key without it",
        lambda: _create(MapAttr(bpfmaps.TYPE_PERCPU_HASH, 4, 8, 1, name="probe")),
    ),
    Feature(
        "task_storage",
        "values kept with a task by the kernel",
        "a hash map keyed by thread",
        _task_storage,
    ),
)
