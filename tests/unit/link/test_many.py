"""One program on many functions: what the kernel refuses is left out, and nothing is leaked."""

from __future__ import annotations

import errno
import os

import pytest

from syscast.errors import KernelError, PermissionDeniedError
from syscast.kernel import bpfinfo, bpflinks, perf
from syscast.kernel.descriptors import Fd
from syscast.link.many import KprobeEachLinks, KprobeMultiLinks, Place, Refused

PLACES = [Place(f"f{n}", 0x1000 * n, n) for n in range(1, 40)]


def descriptor(what="thing"):
    return Fd(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), what)


@pytest.fixture
def program():
    with descriptor("program 'p'") as fd:
        yield fd


@pytest.fixture
def made():
    """Everything that the kernel handed out."""
    held = []
    yield held
    for fd in held:
        fd.close()


@pytest.fixture
def multi(monkeypatch, made):
    """A kernel that takes no list with one of these addresses; gives the lists that it took."""

    class Kernel:
        def __init__(self):
            self.refuses = set()
            self.tries = 0
            self.taken = []

        def link(self, _program, *, symbols, addresses, cookies, on_return):
            self.tries += 1
            if self.refuses & set(addresses):
                raise KernelError.from_errno(
                    "program 'p': attach", errno.EINVAL, "BPF_LINK_CREATE"
                )
            assert not symbols
            assert not on_return
            self.taken += zip(addresses, cookies, strict=True)
            made.append(descriptor("link"))
            return made[-1]

    kernel = Kernel()
    monkeypatch.setattr(bpflinks, "link_kprobe_multi", kernel.link)
    return kernel


def test_one_link_where_all_are_taken(program, multi, made):
    with KprobeMultiLinks.attach(program, PLACES, on_return=False, label="f*") as link:
        assert link.describe() == "kprobe.multi on f* (39 functions)"
        assert link.refused == ()
        assert len(made) == 1
    assert made[0].closed
    assert multi.tries == 1


def test_refused_ones_are_found_by_halves(program, multi, made):
    multi.refuses = {0x1000 * 7, 0x1000 * 30}
    with KprobeMultiLinks.attach(program, PLACES, on_return=False, label="f*") as link:
        assert [each.name for each in link.refused] == ["f7", "f30"]
        assert link.refused[0].reason == "the kernel forbids probes in it"
        assert sorted(cookie for _, cookie in multi.taken) == [
            place.cookie for place in PLACES if place.name not in {"f7", "f30"}
        ]
        assert "37 functions" in link.describe()
    assert multi.tries < 25
    assert all(fd.closed for fd in made)


def test_functions_of_one_name_are_taken_apart_from_the_rest(program, multi, made):
    """Which of them can be traced is not in the kernel's list of names; the rest stays one link."""
    twins = [Place("twin", 0x100_000 * n, 100 + n) for n in range(1, 5)]
    multi.refuses = {place.address for place in twins[1:]}
    mixed = [*PLACES[:20], *twins, *PLACES[20:]]
    with KprobeMultiLinks.attach(program, mixed, on_return=False, label="f*") as link:
        assert [each.name for each in link.refused] == ["twin"] * 3
        assert len(multi.taken) == len(PLACES) + 1
        assert len(made) == 2


def test_none_that_the_kernel_takes_is_an_error(program, multi):
    multi.refuses = {place.address for place in PLACES[:3]}
    with pytest.raises(KernelError):
        KprobeMultiLinks.attach(program, PLACES[:3], on_return=False, label="f*")


def test_missing_rights_are_not_taken_for_a_refused_function(program, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise KernelError.from_errno("program 'p': attach", errno.EPERM, "BPF_LINK_CREATE")

    monkeypatch.setattr(bpflinks, "link_kprobe_multi", refuse)
    with pytest.raises(PermissionDeniedError):
        KprobeMultiLinks.attach(program, PLACES, on_return=False, label="f*")


@pytest.fixture
def events(monkeypatch, made):
    """A kernel with a perf event for each function, but not for `f7`."""

    def open_kprobe(symbol, *, on_return):
        assert not on_return
        if symbol == 0x1000 * 7:
            raise KernelError.from_errno("kprobe: open", errno.EINVAL, "perf_event_open")
        made.append(descriptor(f"event {symbol}"))
        return made[-1]

    monkeypatch.setattr(perf, "open_kprobe", open_kprobe)
    monkeypatch.setattr(perf, "enable", lambda _: None)


@pytest.mark.usefixtures("events")
def test_an_event_for_each_with_its_number(program, made, monkeypatch):
    cookies = []

    def link_perf_event(_program, _event, cookie):
        cookies.append(cookie)
        made.append(descriptor("link"))
        return made[-1]

    monkeypatch.setattr(bpflinks, "link_perf_event", link_perf_event)
    link = KprobeEachLinks.attach(program, PLACES, on_return=False, label="f*")
    assert link.refused == (Refused("f7", "the kernel forbids probes in it"),)
    assert cookies == [place.cookie for place in PLACES if place.name != "f7"]
    assert link.describe() == "kprobe on f* (38 functions)"
    link_info = bpfinfo.LinkInfo(bpfinfo.LINK_PERF_EVENT, 1, 1, missed=2)
    monkeypatch.setattr(bpfinfo, "link_info", lambda _: link_info)
    info = bpfinfo.ProgInfo(**dict.fromkeys(bpfinfo.ProgInfo._fields) | {"recursion_misses": 1})
    monkeypatch.setattr(bpfinfo, "prog_info", lambda _: info)
    assert link.missed() == 38 * 2 + 1
    link.close()
    link.close()
    assert all(fd.closed for fd in made)


@pytest.mark.usefixtures("events")
def test_older_kernels_keep_the_events(program, made, monkeypatch):
    def refuse(*_args):
        raise KernelError.from_errno("program 'p': attach", errno.EINVAL, "BPF_LINK_CREATE")

    done = []
    monkeypatch.setattr(bpflinks, "link_perf_event", refuse)
    monkeypatch.setattr(perf, "set_bpf", lambda event, _: done.append(event))
    with KprobeEachLinks.attach(program, PLACES[:3], on_return=False, label="f*") as link:
        assert done == made
        assert link.missed() is None
    assert all(fd.closed for fd in made)


@pytest.mark.usefixtures("events")
def test_too_few_descriptors_is_an_error_and_leaks_nothing(program, made, monkeypatch):
    def refuse(*_args):
        if len(made) > 3:
            raise KernelError.from_errno("program 'p': attach", errno.EMFILE, "BPF_LINK_CREATE")
        return descriptor_of(made)

    monkeypatch.setattr(bpflinks, "link_perf_event", refuse)
    with pytest.raises(KernelError) as caught:
        KprobeEachLinks.attach(program, PLACES[:4], on_return=False, label="f*")
    assert caught.value.errno == errno.EMFILE
    assert all(fd.closed for fd in made)


def descriptor_of(made):
    made.append(descriptor("link"))
    return made[-1]
