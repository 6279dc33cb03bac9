from __future__ import annotations

import errno

import pytest

from syscast.errors import KernelError, PermissionDeniedError
from syscast.kernel import bpfinfo, bpfmaps
from syscast.kernel.bpfmaps import MapAttr

pytestmark = pytest.mark.usefixtures("bpf")


def test_elements_go_in_and_out() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_HASH, 4, 8, 16)) as fd:
        assert bpfmaps.lookup(fd, b"aaaa", 8) is None
        bpfmaps.update(fd, b"aaaa", b"12345678")
        bpfmaps.update(fd, b"bbbb", b"abcdefgh")
        assert bpfmaps.lookup(fd, b"aaaa", 8) == b"12345678"
        assert sorted(bpfmaps.keys(fd, 4)) == [b"aaaa", b"bbbb"]
        assert bpfmaps.delete(fd, b"aaaa")
        assert not bpfmaps.delete(fd, b"aaaa")
        assert list(bpfmaps.keys(fd, 4)) == [b"bbbb"]


def test_a_refused_update_names_the_map() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_HASH, 4, 4, 1, name="hits")) as fd:
        bpfmaps.update(fd, b"aaaa", b"aaaa")
        with pytest.raises(KernelError, match="map 'hits': update: file exists") as caught:
            bpfmaps.update(fd, b"aaaa", b"aaaa", bpfmaps.NOEXIST)
        assert caught.value.errno == errno.EEXIST
        assert caught.value.command == "BPF_MAP_UPDATE_ELEM"


def test_batches_give_every_element_once() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_HASH, 4, 4, 100)) as fd:
        wanted = {
            number.to_bytes(4, "little"): (number * 3).to_bytes(4, "little")
            for number in range(50)
        }
        bpfmaps.update_batch(fd, b"".join(wanted), b"".join(wanted.values()), len(wanted))
        found = {}
        for keys, values in bpfmaps.lookup_batch(fd, 4, 4, 7):
            for start in range(0, len(keys), 4):
                found[keys[start : start + 4]] = values[start : start + 4]
        assert found == wanted
        bpfmaps.delete_batch(fd, b"".join(list(wanted)[:10]), 10)
        assert len(list(bpfmaps.keys(fd, 4))) == 40
        taken = sum(len(keys) // 4 for keys, _ in bpfmaps.lookup_batch(fd, 4, 4, 64, remove=True))
        assert taken == 40
        assert list(bpfmaps.keys(fd, 4)) == []
        assert list(bpfmaps.lookup_batch(fd, 4, 4, 64)) == []


def test_queues_have_no_keys() -> None:
    with bpfmaps.map_create(MapAttr(bpfmaps.TYPE_QUEUE, 0, 4, 4)) as fd:
        bpfmaps.update(fd, b"", b"one.")
        bpfmaps.update(fd, b"", b"two.")
        assert bpfmaps.lookup_and_delete(fd, b"", 4) == b"one."
        assert bpfmaps.lookup(fd, b"", 4) == b"two."


def test_a_frozen_map_is_read_only() -> None:
    attr = MapAttr(bpfmaps.TYPE_ARRAY, 4, 8, 1, flags=bpfmaps.F_RDONLY_PROG, name="rodata")
    with bpfmaps.map_create(attr) as fd:
        bpfmaps.update(fd, bytes(4), b"constant")
        bpfmaps.freeze(fd)
        with pytest.raises(PermissionDeniedError, match="map 'rodata': update: operation not"):
            bpfmaps.update(fd, bytes(4), b"changed!")
        assert bpfmaps.lookup(fd, bytes(4), 8) == b"constant"


def test_a_refused_map_says_why() -> None:
    with pytest.raises(KernelError) as caught:
        bpfmaps.map_create(
            MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, 5000, name="events"),
            "ring size 5000 is not a power-of-two multiple of the page size 4096",
        )
    assert str(caught.value) == (
        "map 'events': create: invalid argument (ring size 5000 is not a power-of-two multiple "
        "of the page size 4096)"
    )
    assert caught.value.errno_name == "EINVAL"


def test_info_and_ids() -> None:
    attr = MapAttr(bpfmaps.TYPE_HASH, 4, 8, 16, name="a-name that is too long")
    with bpfmaps.map_create(attr) as fd:
        info = bpfinfo.map_info(fd)
        assert info.map_type == bpfmaps.TYPE_HASH
        assert (info.key_size, info.value_size, info.max_entries) == (4, 8, 16)
        assert info.name == "a_name_that_is_"
        assert info.id in set(bpfinfo.ids("map"))
        with bpfinfo.by_id("map", info.id) as again:
            bpfmaps.update(again, b"aaaa", b"12345678")
        assert bpfmaps.lookup(fd, b"aaaa", 8) == b"12345678"
