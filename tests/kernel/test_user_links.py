"""Links to places in user space and to samples, with programs assembled by hand, on this process only."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from argument_reader import Seen, program
from msgspec.structs import replace

from syscast.errors import KernelError
from syscast.ir.program import ArgumentSource, ProgramContext
from syscast.kernel import perf
from syscast.link import sampling
from syscast.link.uprobe import attach_uprobe
from syscast.loader import load as load_object
from syscast.probes import registers
from syscast.spec import MapSpec, ObjectSpec

pytestmark = [pytest.mark.kernel, pytest.mark.native]

LIBC = ctypes.CDLL(None)


def place(function):
    """File and offset of a function of this process."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, offset, _, _, *path = line.split(maxsplit=5)
        first, last = (int(each, 16) for each in span.split("-"))
        if first <= address < last:
            return path[0], address - first + int(offset, 16)
    raise AssertionError(hex(address))


@pytest.fixture
def loaded():
    """Loads one reading program of a context; gives what it sees and the program."""
    objects = []

    def make(context):
        spec = replace(program(context), section="uprobe", target="")
        maps = (MapSpec("out", "array", 4, 16 * 64 + 8, 1),)
        objects.append(load_object(ObjectSpec("links", "GPL", (spec,), maps)))
        return Seen(context, objects[-1], None), objects[-1].programs["reader"].fd

    yield make
    for each in objects:
        each.close()


def user_context(argument):
    machine = registers.here()
    offset = machine.returns[1] if argument == "return" else machine.arguments[0][1]
    source = ArgumentSource(argument, offset=offset, ctype="unsigned long")
    return ProgramContext("uprobe", "libc", "uprobe", "kprobe", arguments=(source,))


def test_a_uprobe_sees_arguments_until_it_is_closed(loaded):
    seen, fd = loaded(user_context("number"))
    path, offset = place(LIBC.labs)
    with attach_uprobe(fd, path, offset, pid=os.getpid()) as link:
        assert link.describe() == f"uprobe on {path}:0x{offset:x}"
        LIBC.labs(77)
        assert (seen.count, seen["number"]) == (1, 77)
        assert link.missed() in {0, None}
    LIBC.labs(78)
    assert (seen.count, seen["number"]) == (1, 77)


def test_a_uretprobe_sees_what_is_returned(loaded):
    seen, fd = loaded(user_context("return"))
    path, offset = place(LIBC.labs)
    with attach_uprobe(fd, path, offset, pid=os.getpid(), on_return=True):
        LIBC.labs(-99)
    assert (seen.count, seen["return"]) == (1, 99)


def test_a_file_that_is_not_there_is_named(loaded):
    _, fd = loaded(user_context("number"))
    with pytest.raises(KernelError, match="uprobe '/no/such:0x10': open: no such file"):
        attach_uprobe(fd, "/no/such", 16)


def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


SAMPLED = ProgramContext("profile", "cpu", "perf_event", "perf_event")


def test_samples_of_one_process_come_at_the_rate_asked_for(loaded):
    seen, fd = loaded(SAMPLED)
    clock = (perf.TYPE_SOFTWARE, perf.COUNT_SW_CPU_CLOCK)
    with sampling.attach_sampling(fd, *clock, frequency=499, pid=os.getpid()) as link:
        spin(0.2)
        assert 20 <= seen.count <= 200
        assert link.missed() is None
    count = seen.count
    spin(0.05)
    assert seen.count == count
    assert link.closed


def test_samples_of_threads_and_of_a_raw_event(loaded):
    seen, fd = loaded(SAMPLED)
    clock = (perf.TYPE_SOFTWARE, perf.COUNT_SW_TASK_CLOCK)
    with sampling.attach_threads(fd, *clock, [os.getpid()], period=2_000_000):
        spin(0.1)
    assert 10 <= seen.count <= 60
    attr = bytearray(112)
    for at, value in ((0, perf.TYPE_SOFTWARE), (4, 112), (8, clock[1]), (16, 2_000_000)):
        attr[at : at + 4] = value.to_bytes(4, "little")
    before = seen.count
    with sampling.attach_raw(fd, bytes(attr), pid=os.getpid()):
        spin(0.1)
    assert 10 <= seen.count - before <= 60


def test_a_refused_cpu_leaves_nothing_attached(loaded):
    _, fd = loaded(SAMPLED)
    with pytest.raises(KernelError, match="perf event 1:0: open: "):
        sampling.attach_sampling(fd, 1, 0, frequency=99, pid=os.getpid(), cpu=4000)
