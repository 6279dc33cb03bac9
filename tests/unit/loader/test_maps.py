"""Sizes and names of maps."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from syscast.errors import KernelError, UsageError
from syscast.kernel.descriptors import Fd
from syscast.loader.loaded import LoadedMap
from syscast.loader.maps import (
    DEFAULT_RING_SIZE,
    RingChoice,
    choose_ring,
    explained,
    kernel_name,
    ring_bytes,
)
from syscast.spec import MapSpec

RING = MapSpec("events", "ringbuf", max_entries=5000)


@pytest.mark.parametrize(
    ("size", "rounded"), [(1, 4096), (4096, 4096), (4097, 8192), (5000, 8192), (1 << 30, 1 << 30)]
)
def test_ring_bytes(size, rounded, monkeypatch):
    monkeypatch.setattr("syscast.kernel.host.PAGE_SIZE", 4096)
    assert ring_bytes(size) == rounded


def test_ring_bytes_of_large_pages(monkeypatch):
    monkeypatch.setattr("syscast.kernel.host.PAGE_SIZE", 65536)
    assert ring_bytes(4096) == 65536


@pytest.mark.parametrize("size", [0, -1, (1 << 30) + 1])
def test_ring_bytes_out_of_range(size):
    with pytest.raises(
        UsageError, match=f"map 'events': create: ring size {size} is out of range"
    ):
        ring_bytes(size)


def test_which_size_counts():
    assert choose_ring([RING], 0, force_perf=True) == RingChoice(8192, perf=True)
    assert choose_ring([RING], 1 << 20, force_perf=True).size == 1 << 20
    unsized = MapSpec("events", "ringbuf")
    assert choose_ring([unsized], 0, force_perf=True).size == DEFAULT_RING_SIZE
    assert choose_ring([], 0, force_perf=True) == RingChoice(DEFAULT_RING_SIZE, perf=False)


def shared_out(size, rings, cpus, monkeypatch):
    monkeypatch.setattr("syscast.kernel.host.PAGE_SIZE", 4096)
    monkeypatch.setattr("syscast.kernel.host.online_cpus", lambda: tuple(range(cpus)))
    monkeypatch.setattr("syscast.kernel.host.possible_cpus", lambda: 64)
    monkeypatch.setattr("syscast.features.probing.probe", lambda _: SimpleNamespace(outcome="yes"))
    shards = MapSpec("shards", "array_of_maps", 4, 4, 1, inner=MapSpec("shard", "ringbuf"))
    return choose_ring([RING, shards], size, force_perf=False, rings=rings)


@pytest.mark.parametrize(
    ("size", "cpus", "share", "spare"),
    [
        (1 << 20, 2, 1 << 19, 1 << 16),
        (1 << 20, 3, 1 << 18, 1 << 15),
        (5000, 4, 4096, 4096),  # a page is the least
    ],
)
def test_cpus_share_the_size(size, cpus, share, spare, monkeypatch):
    found = shared_out(size, "per-cpu", cpus, monkeypatch)
    assert (found.share, found.common, found.cpus) == (share, spare, 64)
    found = shared_out(size, "auto", cpus, monkeypatch)
    assert (found.share, found.common) == (share, ring_bytes(size))
    assert shared_out(size, "one", cpus, monkeypatch).cpus == 0


def test_no_memory_for_a_ring():
    error = KernelError(
        "map 'events': create: cannot allocate memory", errno.ENOMEM, "BPF_MAP_CREATE"
    )
    found = explained(error, MapSpec("events", "ringbuf", max_entries=1 << 30))
    assert "there are no 1073741824 bytes for a ring; take a smaller ring size" in str(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("events", "events"),
        (".rodata", "a_long_n.rodata"),
        (".bss", "a_long_name.bss"),
        (".rodata.str1.1.x", ".rodata.str1.1.x"),
    ],
)
def test_kernel_names(name, expected):
    assert kernel_name("a_long_name_indeed", name) == expected


@pytest.fixture
def unused():
    reading, writing = Fd.pipe()
    writing.close()
    with reading:
        yield reading


def test_keys_of_the_wrong_size(unused):
    made = LoadedMap(unused, MapSpec("m", "hash", 4, 8, 1))
    for key in (b"", b"12345", 1 << 32, -(1 << 31) - 1):
        with pytest.raises(UsageError, match=r"map 'm': use key .*: a key has 4 bytes"):
            made.lookup(key)
    with pytest.raises(UsageError, match="map 'm': update: the value has 1 bytes, not 8"):
        made.update(1, b"x")
