import os
import subprocess
import sys
from pathlib import Path

import pytest

from syscast.btf import source
from syscast.btf.encode import BtfBuilder
from syscast.btf.types import Func, FuncProto, Struct
from syscast.errors import FormatError, NotSupportedError, TargetError, UsageError

OBJECT = Path(__file__).parents[2] / "data" / "btf" / "relocations.bpf.o"


@pytest.fixture(autouse=True)
def forget():
    kept = dict(source._loaded)
    source._loaded.clear()
    yield
    source._loaded.clear()
    source._loaded.update(kept)


@pytest.fixture
def fake_sysfs(small, tmp_path, monkeypatch):
    """A /sys/kernel/btf with a small kernel and one module."""
    folder = tmp_path / "sys"
    folder.mkdir()
    small.sock()
    base = small.btf("vmlinux")
    module = BtfBuilder(base=base)
    module.add(Func("nft_do_chain", module.add(FuncProto(0, ()))))
    (folder / "vmlinux").write_bytes(small.encode())
    (folder / "nf_tables").write_bytes(module.encode())
    monkeypatch.setattr(source, "_DIRECTORY", str(folder))
    return folder


@pytest.mark.usefixtures("fake_sysfs")
def test_kernel_is_read_once():
    kernel = source.kernel()
    assert kernel.name == "vmlinux"
    assert kernel.find("sock", Struct)
    assert source.kernel() is kernel


@pytest.mark.usefixtures("fake_sysfs")
def test_modules():
    assert source.modules() == ["nf_tables"]
    module = source.module("nf-tables")  # modprobe takes both spellings
    assert module is source.module("nf_tables")
    assert module.base is source.kernel()
    assert module.function("nft_do_chain")[0] == module.start_id + 1
    assert module.find("sock", Struct) == source.kernel().find("sock", Struct)


@pytest.mark.usefixtures("fake_sysfs")
def test_no_such_module():
    with pytest.raises(TargetError, match=r"module 'nf_table': .*did you mean nf_tables"):
        source.module("nf_table")


@pytest.mark.usefixtures("fake_sysfs")
@pytest.mark.parametrize("name", ["", "..", "vmlinux", "../vmlinux", "a/b"])
def test_what_is_no_module_name(name):
    with pytest.raises(UsageError, match="not the name of a module"):
        source.module(name)


def test_a_kernel_without_btf(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_DIRECTORY", str(tmp_path / "none"))
    with pytest.raises(NotSupportedError, match="CONFIG_DEBUG_INFO_BTF=y, or set SYSCAST_BTF"):
        source.kernel()
    assert source.modules() == []


def test_a_file_in_place_of_the_kernels_btf(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_DIRECTORY", str(tmp_path / "none"))
    monkeypatch.setenv("SYSCAST_BTF", str(OBJECT))
    kernel = source.kernel()
    assert kernel.find("missing", Struct)
    assert source.kernel() is kernel
    assert source.identity() == kernel.key


def test_from_an_elf_file():
    btf = source.from_file(OBJECT)
    assert btf.find("s", Struct)
    assert btf.name == "relocations.bpf.o"


def test_from_a_file_that_has_none(tmp_path):
    path = tmp_path / "text"
    path.write_text("just a text, long enough for a header")
    with pytest.raises(FormatError, match="wrong magic"):
        source.from_file(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="too few"):
        source.from_file(path)
    with pytest.raises(FormatError, match=r"without a \.BTF section"):
        source.from_file(Path(sys.executable).resolve())


def test_from_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        source.from_file(tmp_path / "absent")
    with pytest.raises(UsageError, match="is a directory"):
        source.from_file(tmp_path)


def test_identity_follows_the_content(fake_sysfs, small):
    first = source.identity()
    source._loaded.clear()
    assert source.identity() == first
    source._loaded.clear()
    (fake_sysfs / "vmlinux").write_bytes(small.encode().replace(b"inet_listen", b"inet_listex"))
    assert source.identity() != first


def test_identity_without_a_build_id(fake_sysfs, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_NOTES", str(tmp_path / "none"))
    first = source.identity()
    assert first == source._content_key((fake_sysfs / "vmlinux").read_bytes())


@pytest.mark.usefixtures("fake_sysfs")
@pytest.mark.parametrize("notes", [b"", b"\0" * 7, b"\4\0\0\0\xff\xff\xff\xff\3\0\0\0GNU\0"])
def test_odd_notes(tmp_path, monkeypatch, notes):
    path = tmp_path / "notes"
    path.write_bytes(notes)
    monkeypatch.setattr(source, "_NOTES", str(path))
    assert source.identity()


def test_a_start_imports_nothing_heavy():
    code = "import sys, syscast.btf.source, syscast.btf.layout; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "elftools", "msgspec", "dataclasses", "pathlib", "inspect", "difflib"}
    assert not heavy & set(run.stdout.split())


@pytest.mark.usefixtures("fake_sysfs")
def test_no_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count is enough
    source.module("nf_tables")
    source.from_file(OBJECT)
    source._loaded.clear()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
