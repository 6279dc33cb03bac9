"""bzImage payloads, module dependencies, the initramfs archive, the checkout's tar, symbol names: bytes in, bytes out."""

import gzip
import io
import lzma
import struct
import tarfile

import pytest

from vmtest import bzimage, checkout, modules, monitor
from vmtest.cpio import Archive
from vmtest.host import HarnessError

ELF = b"\x7fELF" + bytes(range(256)) * 8


def bz_image(payload):
    image = bytearray(0x400)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 16, len(payload))
    return bytes(image) + b"\0" * 16 + payload


@pytest.mark.parametrize(
    "compress", [gzip.compress, lzma.compress, bytes], ids=["gzip", "xz", "plain"]
)
def test_payload_is_found_and_decompressed(compress):
    packed = compress(ELF) + struct.pack("<I", len(ELF))
    assert bzimage.vmlinux(bz_image(packed))[: len(ELF)] == ELF


def test_elf_passes_through():
    assert bzimage.vmlinux(ELF) == ELF


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"short", "not a bzImage"),
        (bytes(0x400), "not a bzImage"),
        (bz_image(b"????????"), "unknown compression"),
        (bz_image(gzip.compress(b"no kernel")), "not an ELF"),
        (bz_image(gzip.compress(ELF))[:-40] + b"\0" * 4, "outside of the file"),
        (bz_image(lzma.compress(ELF)[:9] + b"\xff" * 60), "decompress"),
    ],
)
def test_damaged_image_is_refused(image, message):
    with pytest.raises(HarnessError, match=message):
        bzimage.vmlinux(image)


def module(depends):
    return b"\x7fELF....\0license=GPL\0depends=" + depends + b"\0name=x\0"


def test_modules_come_after_what_they_need(tmp_path):
    tree = tmp_path / "kernel"
    tree.mkdir()
    (tree / "virtio.ko").write_bytes(module(b""))
    (tree / "virtio_ring.ko.xz").write_bytes(lzma.compress(module(b"virtio")))
    (tree / "virtio-blk.ko.gz").write_bytes(gzip.compress(module(b"virtio,virtio_ring,built-in")))
    (tmp_path / "modules.builtin").write_text("kernel/lib/built-in.ko\nkernel/fs/ext4.ko\n")
    order = modules.load_order(tmp_path, ["ext4", "virtio_blk"])
    assert [name for name, _ in order] == ["virtio", "virtio_ring", "virtio_blk"]
    assert all(data.startswith(b"\x7fELF") for _, data in order)


def test_missing_module_is_named(tmp_path):
    with pytest.raises(HarnessError, match="'overlay'"):
        modules.load_order(tmp_path, ["overlay"])


def test_cpio_entries_are_aligned_and_end_with_the_trailer():
    archive = Archive()
    archive.directory("bin")
    archive.file("bin/x", b"12345", 0o755)
    archive.link("bin/y", "x")
    data = archive.to_bytes()
    names = []
    place = 0
    while True:
        head = data[place : place + 110]
        assert head[:6] == b"070701"
        name_size, size = int(head[94:102], 16), int(head[54:62], 16)
        name = data[place + 110 : place + 110 + name_size - 1].decode()
        place += (110 + name_size + 3) // 4 * 4
        content = data[place : place + size]
        place += (size + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        names.append((name, content))
    assert names == [("bin", b""), ("bin/x", b"12345"), ("bin/y", b"x")]


def test_checkout_tar_holds_project_version_and_cache_seed(tmp_path):
    project = tmp_path / "project"
    (project / "src" / "p").mkdir(parents=True)
    (project / "build").mkdir()
    (project / "build" / "waste").write_text("no")
    (project / "src" / "p" / "m.py").write_text("x = 1\n")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1.2"\ndependencies = []\n'
    )
    seed = tmp_path / "seed"
    (seed / "objects").mkdir(parents=True)
    (seed / "vm").mkdir()
    (seed / "objects" / "abc").write_bytes(b"code")
    (seed / "vm" / "image").write_bytes(b"no")
    target = tmp_path / "out.tar"
    checkout.write(target, seeds=[seed], project=project)
    with tarfile.open(target) as archive:
        names = {member.name: member for member in archive}
    assert "syscast/src/p/m.py" in names
    assert "syscast/build/waste" not in names
    assert "opt/site/p-1.2.dist-info/METADATA" in names
    assert names["root/.cache/syscast/objects"].mode == 0o700
    assert "root/.cache/syscast/objects/abc" in names
    assert not [name for name in names if "/vm" in name]


def test_cache_comes_home_without_known_and_hostile_names(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("objects/new", "objects/known", "../escape", "objects/old"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"new"))
    target, known = tmp_path / "t" / "cache", tmp_path / "known"
    for path in (target / "objects" / "old", known / "objects" / "known"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"old")
    assert checkout.unpack_cache(stream.getvalue(), target, known=known) == 1
    assert (target / "objects" / "new").read_bytes() == b"new"
    assert (target / "objects" / "old").read_bytes() == b"old"
    assert not (tmp_path / "t" / "escape").exists()


def test_addresses_get_the_names_of_functions():
    symbols = (
        "ffffffff81000000 T _stext\nffffffff81000100 t spin\nffffffff82000000 D data\nbad line\n"
    )
    names = monitor.name_addresses([0xFFFFFFFF81000123, 0x401000, 0xFFFFFFFF00000000], symbols)
    assert names == ["spin+0x23", "user", "0xffffffff00000000"]
