"""USDT as bcc's scripts see it: what is listed, what C reads the arguments, what is attached."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from syscast.bcc import usdt
from syscast.bcc.usdt import USDT, USDTException
from syscast.bcc.usdtargs import c_type, reader
from syscast.elf import EM_AARCH64, EM_X86_64
from syscast.symbols.sdtoperands import arguments
from syscast.symbols.stapsdt import Location, Probe


def place(offset, operands, semaphore=0, machine=EM_X86_64):
    found = arguments(operands, machine)
    return Location(
        0x400000 + offset, offset, semaphore, found, semaphore and 0x600000 + semaphore
    )


START = Probe("/usr/bin/db", "mysql", "query__start", (place(0x1010, "-4@%eax 8@-8(%rbp)", 0x40),))
TWO = Probe(
    *("/usr/bin/db", "mysql", "twice"),
    (place(0x1020, "1@%al"), place(0x2030, "-4@$5"), place(0x3040, "1@%al")),
)
OTHER = Probe("/usr/bin/db", "other", "query__start", (place(0x5000, "", 0),))


@pytest.fixture
def probes(monkeypatch):
    monkeypatch.setattr(usdt.stapsdt, "probes", lambda _path: [START, TWO, OTHER])
    monkeypatch.setattr(usdt.libraries, "find", lambda name, _pid=0: name)
    return USDT(path=b"/usr/bin/db")


def test_listing(probes):
    first, second, _ = probes.enumerate_probes()
    assert (first.provider, first.name, first.bin_path) == (
        b"mysql",
        b"query__start",
        b"/usr/bin/db",
    )
    assert str(first) == "mysql:query__start [sema 0x600040]"
    assert first.short_name() == "mysql:query__start"
    assert (first.num_locations, first.num_arguments, second.num_locations) == (1, 2, 3)
    location = first.get_location(0)
    assert str(location) == "/usr/bin/db 0x401010"
    assert location.num_arguments == 2
    register, memory = location.get_argument(0), location.get_argument(1)
    assert str(register) == "4 signed   bytes @ ax"
    assert str(memory) == "8 unsigned bytes @ *(bp-8)"
    assert (memory.deref_offset, memory.base_register_name, memory.size) == (-8, "bp", 8)
    constant = second.get_location(1).get_argument(0)
    assert (constant.constant, str(constant)) == (5, "4 signed   bytes @ 5")
    for call in (lambda: first.get_location(1), lambda: location.get_argument(2)):
        with pytest.raises(USDTException):
            call()


def test_enabling(probes):
    probes.enable_probe(b"query__start", b"do_start")
    probes.enable_probe(probe="other:query__start", fn_name="do_other")
    assert probes.enumerate_active_probes() == [
        (b"/usr/bin/db", b"do_start", 0x401010, -1),
        (b"/usr/bin/db", b"do_other", 0x405000, -1),
    ]
    assert "_bpf_readarg_do_start_1(" in probes.get_text()
    assert "_bpf_readarg_do_start_2(" in probes.get_text()
    assert "do_other" not in probes.get_text()
    with pytest.raises(USDTException, match="Failed to enable USDT probe 'gone'"):
        probes.enable_probe("gone", "f")


def test_bailing_out(probes, capsys):
    with pytest.raises(SystemExit) as caught:
        probes.enable_probe_or_bail("gone", "f")
    assert caught.value.code == 1
    assert "tplist" in capsys.readouterr().err


def test_types(probes):
    assert probes.get_probe_arg_ctype("query__start", 0) == "int32_t"
    assert probes.get_probe_arg_ctype("mysql:query__start", 1) == "uint64_t"
    assert probes.get_probe_arg_ctype("twice", 0) == "int32_t"
    assert probes.get_probe_arg_ctype("twice", 1) is None
    assert probes.get_probe_arg_ctype("gone", 0) is None
    assert c_type([place(0, "8f@%xmm0")], 0) is None


def test_attaching(probes):
    calls = []
    bpf = SimpleNamespace(
        attach_place=lambda *arguments: calls.append(arguments), note=lambda *_: None
    )

    probes.pid = 7
    probes.enable_probe("query__start", "do_start")
    probes.attach_uprobes(bpf, attach_usdt_ignore_pid=False)
    probes.attach_uprobes(bpf, attach_usdt_ignore_pid=True)
    where = usdt.UserPlace("/usr/bin/db", 0x1010)
    assert calls == [
        (b"p", where, b"do_start", 7, 0x40),
        (b"p", where, b"do_start", -1, 0x40),
    ]


def test_readers_of_one_place():
    text = reader(START, "f")
    assert "    *(int32_t *)dest = (int32_t)(int32_t)(ctx->ax);" in text
    assert "(void *)((u64)ctx->bp + (-8LL))" in text
    assert "switch" not in text


def test_places_are_told_apart():
    text = reader(TWO, "f")
    page = os.sysconf("SC_PAGESIZE")
    assert f"switch (PT_REGS_IP(ctx) & {page - 1}) {{" in text
    first, second = text.split("case 0x30:")
    assert "case 0x20:" in first
    assert "case 0x40:" in first
    assert "(int32_t)(uint8_t)(ctx->ax)" in first
    assert "(int32_t)5LL" in second


def test_other_operands():
    operands = "1@%ah 8@8(%rax,%rbx,4) -8@%r12"
    text = reader(Probe("/x", "p", "n", (place(0, operands),)), "f")
    assert "(uint8_t)(ctx->ax >> 8)" in text
    assert "(u64)ctx->ax + (u64)ctx->bx * 4 + (8LL)" in text
    assert "(int64_t)(ctx->r12)" in text
    arm = place(0, "-4@[sp, 12] 8@x3", machine=EM_AARCH64)
    text = reader(Probe("/x", "p", "n", (arm,)), "f")
    assert "(u64)ctx->sp + (12LL)" in text
    assert "ctx->regs[3]" in text


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(USDTException, match="either a pid or a binary path"):
        USDT()
    with pytest.raises(USDTException, match="USDT failed to instrument path"):
        USDT(path=str(tmp_path / "none"))
    with pytest.raises(USDTException, match="USDT failed to instrument PID 4194305"):
        USDT(pid=2**22 + 1)
