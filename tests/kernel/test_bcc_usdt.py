"""USDT probes of a running program, through bcc's classes: Debian's Python marks its garbage collections."""

from __future__ import annotations

import subprocess
import time

import pytest

from syscast.bcc import BPF, USDT
from syscast.btf import source
from syscast.errors import TargetError
from syscast.symbols import stapsdt

pytestmark = [pytest.mark.kernel, pytest.mark.native]

PYTHON = "/usr/bin/python3"
LOOP = "import gc, time\nwhile True:\n    gc.collect(1)\n    time.sleep(0.02)"
TEXT = b"""
struct data_t { u32 pid; int generation; char comm[16]; };
BPF_PERF_OUTPUT(events);
BPF_HISTOGRAM(found);
int do_start(struct pt_regs *ctx) {
    struct data_t data = {};
    data.pid = bpf_get_current_pid_tgid() >> 32;
    bpf_usdt_readarg(1, ctx, &data.generation);
    bpf_get_current_comm(&data.comm, sizeof(data.comm));
    events.perf_submit(ctx, &data, sizeof(data));
    return 0;
}
int do_done(struct pt_regs *ctx) {
    long objects = -1;
    bpf_usdt_readarg(1, ctx, &objects);
    found.increment(bpf_log2l(objects));
    return 0;
}
"""


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """Read them once: they stay open for the process, which is no leak of a test."""
    source.kernel()


@pytest.fixture
def child():
    """A process that collects garbage."""
    try:
        names = {each.name for each in stapsdt.probes(PYTHON)}
    except TargetError:
        names = set()
    if not {"gc__start", "gc__done"} <= names:
        pytest.skip("python3 is not marked here")
    process = subprocess.Popen([PYTHON, "-c", LOOP])
    time.sleep(0.3)  # until it runs its own code: before, the process is this one's copy
    yield process
    process.kill()
    process.wait()


def test_arguments_arrive(child):
    probes = USDT(pid=child.pid)
    probes.enable_probe(probe="gc__start", fn_name="do_start")
    probes.enable_probe("python:gc__done", "do_done")
    seen = []
    with BPF(text=TEXT, usdt_contexts=[probes]) as b:
        assert b.num_open_uprobes() == 2
        table = b[b"events"]
        table.open_perf_buffer(lambda _cpu, data, _size: seen.append(table.event(data)))
        deadline = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < deadline:
            b.perf_buffer_poll(timeout=200)
        counts = {key.value: leaf.value for key, leaf in b[b"found"].items() if leaf.value}
    assert {(event.pid, event.generation, event.comm) for event in seen} == {
        (child.pid, 1, b"python3")
    }
    assert list(counts) == [1]  # nothing was there to collect: 0 objects
