"""Links own their descriptors: closed once, in order, and not leaked when half-made."""

import errno
import os

import pytest

from syscast.errors import KernelError
from syscast.kernel import bpfinfo, bpflinks, perf
from syscast.kernel.descriptors import Fd
from syscast.link.kprobe_multi import KprobeMultiLink
from syscast.link.perf_event import PerfEventLink
from syscast.link.tracing import RawTracepointLink, TracingLink


def descriptor(what="thing"):
    return Fd(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), what)


@pytest.fixture
def program():
    with descriptor("program 'p'") as fd:
        yield fd


def refuse(code):
    def call(*_args, **_kwargs):
        raise KernelError.from_errno("program 'p': attach", code, "BPF_LINK_CREATE")

    return call


def info(missed=None, recursion=None):
    base = bpfinfo.LinkInfo(bpfinfo.LINK_PERF_EVENT, 1, 1, missed=missed)
    values = dict.fromkeys(bpfinfo.ProgInfo._fields) | {"recursion_misses": recursion}
    return lambda _: base, lambda _: bpfinfo.ProgInfo(**values)


@pytest.fixture
def linked(monkeypatch):
    """The kernel links everything; gives the descriptors that it handed out."""
    made = []

    def call(*_args, **_kwargs):
        made.append(descriptor("link"))
        return made[-1]

    for name in ("link_perf_event", "link_kprobe_multi", "raw_tracepoint_open"):
        monkeypatch.setattr(bpflinks, name, call)
    monkeypatch.setattr(perf, "enable", lambda _: None)
    yield made
    for fd in made:
        fd.close()


def test_close_is_once_and_leaves_the_program(program, linked):
    link = TracingLink.attach(program, "fentry on inet_listen")
    assert link.describe() == "fentry on inet_listen"
    assert not link.closed
    link.close()
    link.close()
    assert link.closed
    assert linked[0].closed
    assert not program.closed


def test_with_closes(program, linked):
    with RawTracepointLink.attach(program, "sched_switch") as link:
        assert link.describe() == "raw_tp on sched_switch"
    assert linked[0].closed


def test_a_perf_link_owns_link_and_event(program, linked):
    event = descriptor("kprobe 'inet_listen'")
    link = PerfEventLink.attach(program, event, "kprobe on inet_listen")
    link.close()
    assert linked[0].closed
    assert event.closed


def test_old_kernels_take_the_ioctl(program, monkeypatch):
    monkeypatch.setattr(bpflinks, "link_perf_event", refuse(errno.EINVAL))
    done = []
    monkeypatch.setattr(perf, "set_bpf", lambda event, prog: done.append((event, prog)))
    monkeypatch.setattr(perf, "enable", done.append)
    event = descriptor()
    with PerfEventLink.attach(program, event, "kprobe on inet_listen") as link:
        assert done == [(event, program), event]
        # Without a link there is nothing that could tell.
        assert link.missed() is None
    assert event.closed


def test_a_real_refusal_is_not_retried_and_leaks_nothing(program, monkeypatch):
    monkeypatch.setattr(bpflinks, "link_perf_event", refuse(errno.EPERM))
    event = descriptor()
    with pytest.raises(KernelError):
        PerfEventLink.attach(program, event, "")
    assert event.closed


def test_a_refusal_to_enable_leaks_nothing(program, linked, monkeypatch):
    monkeypatch.setattr(perf, "enable", refuse(errno.EIO))
    event = descriptor()
    with pytest.raises(KernelError):
        PerfEventLink.attach(program, event, "")
    assert event.closed
    assert linked[0].closed


@pytest.mark.parametrize(
    ("missed", "recursion", "total"), [(3, 4, 7), (3, None, 3), (None, 4, None), (0, 0, 0)]
)
@pytest.mark.usefixtures("linked")
def test_missed_adds_up_or_is_unknown(program, monkeypatch, missed, recursion, total):
    of_link, of_program = info(missed, recursion)
    monkeypatch.setattr(bpfinfo, "link_info", of_link)
    monkeypatch.setattr(bpfinfo, "prog_info", of_program)
    with KprobeMultiLink.attach(program, symbols=["a", "b"]) as link:
        assert link.describe() == "kprobe.multi on a, b"
        assert link.missed() == total
    with PerfEventLink.attach(program, descriptor(), "") as link:
        assert link.missed() == total


@pytest.mark.usefixtures("linked")
def test_tracing_programs_count_their_recursion(program, monkeypatch):
    monkeypatch.setattr(bpfinfo, "prog_info", info(recursion=5)[1])
    with TracingLink.attach(program, "") as link:
        assert link.missed() == 5


@pytest.mark.usefixtures("linked")
def test_a_multi_link_at_the_return_says_so(program):
    with KprobeMultiLink.attach(program, symbols=["a"], on_return=True) as link:
        assert link.describe() == "kretprobe.multi on a"
