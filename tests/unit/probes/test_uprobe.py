"""uprobe and uretprobe: places in files, contexts, and what cannot be meant."""

from __future__ import annotations

import pytest

from syscast.errors import NotSupportedError, TargetError
from syscast.probes import registers, uprobe
from syscast.probes.uprobe import Uprobe
from syscast.symbols import binary, libraries
from syscast.symbols.table import Code


class File:
    """A file whose addresses begin at 0x1000."""

    has_symtab = True

    def __init__(self, *codes):
        self.codes = codes

    def find(self, name):
        return sorted(
            (each for each in self.codes if each.name == name),
            key=lambda each: (each.local, each.address),
        )

    def functions(self):
        return iter(self.codes)

    def file_offset(self, address):
        return address - 0x1000 if address >= 0x1000 else None


@pytest.fixture(autouse=True)
def file(monkeypatch):
    made = File(
        Code("work", 0x1100, 16),
        Code("twice", 0x1200, 4, local=True),
        Code("twice", 0x1300, 4, local=True),
        Code("own", 0x1400, 4, local=True),
        Code("own", 0x1500, 4),
        Code("memcpy", 0x1600, 4, chosen=True),
    )
    monkeypatch.setattr(
        libraries,
        "find",
        lambda name, pid=0: f"/proc/{pid}/root/lib/{name}" if pid else f"/lib/{name}",
    )
    monkeypatch.setattr(binary, "read", lambda _: made)
    return made


@pytest.mark.parametrize(
    ("name", "offset"),
    [("work", 0x100), ("work+4", 0x104), ("work+0x8", 0x108), ("0x1234", 0x234), ("own", 0x500)],
)
def test_places(name, offset):
    assert uprobe.find(f"x:{name}") == ("/lib/x", name, offset)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("wrok", TargetError, r"function 'wrok' of /lib/x: look up: the file has no such symbol"),
        ("twice", TargetError, r"several functions have this name .*0x1200, 0x1300"),
        ("memcpy", NotSupportedError, r"function 'memcpy' of /lib/x: attach: it only chooses"),
        ("0x10", TargetError, r"place 'x:0x10': look up: the file has no byte at address 0x10"),
        ("0xzz", TargetError, r"function '0xzz' of /lib/x: look up: not an address"),
    ],
)
def test_what_is_no_place(name, error, message):
    with pytest.raises(error, match=message):
        uprobe.find(f"x:{name}")


def test_a_probe_sees_the_registers_of_arguments():
    kind = Uprobe(machine=registers.X86_64)
    target = kind.resolve("x:work", None)
    assert target.name == "/lib/x:work"
    (context,) = kind.contexts(target, role="probe")
    assert context.section == "uprobe//lib/x:work"
    assert [(each.name, each.offset) for each in context.arguments[:2]] == [
        ("arg0", 112),
        ("arg1", 104),
    ]
    assert context.user
    assert context.returns is None


def test_a_call_has_an_entry_and_an_exit():
    kind = Uprobe(machine=registers.AARCH64)
    entry, last = kind.contexts(kind.resolve("x:work", None), role="call")
    assert (entry.section, last.section) == ("uprobe//lib/x:work", "uretprobe//lib/x:work")
    assert len(entry.arguments) == 8
    assert last.arguments == ()
    assert (last.returns.offset, last.returns.signed) == (0, True)


def test_the_middle_of_a_function_has_no_return():
    kind = Uprobe(at_return=True, machine=registers.X86_64)
    with pytest.raises(TargetError, match=r"uretprobe '/lib/x:work\+4': attach: a place inside"):
        kind.contexts(kind.resolve("x:work+4", None), role="probe")


def test_a_file_of_another_root_is_named_as_seen_there():
    from syscast.probes.kind import Whom  # noqa: PLC0415

    kind = Uprobe(whom=Whom(7, only=True), machine=registers.X86_64)
    assert kind.resolve("x:work", None).name == "/lib/x:work"
