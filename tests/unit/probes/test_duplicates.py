"""Names that several functions have are found once, kept, and never believed from a bad file."""

import pytest

from syscast.btf import source
from syscast.errors import TargetError
from syscast.probes import duplicates
from syscast.probes.fentry import FENTRY

SYMBOLS = b"""\
ffffffff81000000 T one
ffffffff81000010 t twice
ffffffff81000020 t twice
ffffffff81000030 d twice_data
ffffffff81000040 d twice_data
ffffffff81000050 t one\t[veth]
ffffffff81000060 t part.isra.0
ffffffff81000070 t part.isra.0
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, nothing known yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(duplicates, "_known", {})
    return tmp_path / "syscast" / "duplicates"


@pytest.fixture
def reads(monkeypatch):
    """How often the symbols were read."""
    made = []

    def read(path):
        made.append(path)
        return SYMBOLS

    monkeypatch.setattr("syscast.kernel.textfiles.read_bytes", read)
    return made


def again(monkeypatch):
    monkeypatch.setattr(duplicates, "_known", {})
    return duplicates.names("key")


def test_only_functions_of_the_kernel_itself_count(reads):
    assert duplicates.names("key") == {"twice"}
    assert reads == ["/proc/kallsyms"]


def test_the_answer_is_kept(reads, cache, monkeypatch):
    duplicates.names("key")
    assert again(monkeypatch) == {"twice"}
    assert len(reads) == 1
    assert (cache / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in cache.iterdir()] == ["key"]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"00000000\ntwice\nthrice"])
def test_a_damaged_file_is_made_anew(reads, cache, monkeypatch, content):
    duplicates.names("key")
    (cache / "key").write_bytes(content)
    assert again(monkeypatch) == {"twice"}
    assert len(reads) == 2
    assert again(monkeypatch) == {"twice"}
    assert len(reads) == 2


def test_a_file_that_others_may_write_is_not_read(reads, cache, monkeypatch):
    duplicates.names("key")
    (cache / "key").chmod(0o666)
    again(monkeypatch)
    assert len(reads) == 2


def test_a_link_is_not_followed(reads, cache, monkeypatch):
    duplicates.names("key")
    (cache / "key").rename(cache / "other")
    (cache / "key").symlink_to("other")
    again(monkeypatch)
    assert len(reads) == 2


def test_symbols_that_cannot_be_read(monkeypatch):
    def read(_):
        raise PermissionError

    monkeypatch.setattr("syscast.kernel.textfiles.read_bytes", read)
    assert duplicates.names("key") == frozenset()


def test_such_a_function_is_refused(btf, monkeypatch):
    monkeypatch.setattr(source, "kernel", lambda: btf)
    monkeypatch.setattr(duplicates, "names", lambda _: frozenset({"mixed"}))
    monkeypatch.setattr("syscast.probes.functions.explanation", lambda _: None)
    with pytest.raises(
        TargetError, match="function 'mixed': look up: several functions have this"
    ):
        FENTRY.resolve("mixed", btf)
    assert FENTRY.resolve("inet_listen", btf)
