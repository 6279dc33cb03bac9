"""System calls: arguments by name from the table, types from BTF, guards for number and caller."""

import pytest

from syscast.errors import TargetError
from syscast.ir.program import ArgFrom
from syscast.probes import registers
from syscast.probes.syscall import SyscallKind

X86 = SyscallKind(machine=registers.X86_64)
ARM = SyscallKind(machine=registers.AARCH64)


@pytest.mark.parametrize("name", ["openat", "sys_openat", "sys_enter_openat", "__x64_sys_openat"])
def test_names(btf, name):
    assert X86.resolve(name, btf).name == "openat"


def test_the_kernel_functions_name_is_known_too(btf):
    assert X86.resolve("newuname", btf).name == X86.resolve("uname", btf).name == "uname"


def test_arguments(btf):
    target = X86.resolve("openat", btf)
    assert (
        target.signature == "long openat(int dfd, const char *filename, int flags, umode_t mode)"
    )
    dfd, filename, _, mode = target.arguments
    assert [source.member for source in target.arguments] == ["di", "si", "dx", "r10"]
    assert all(source.where is ArgFrom.REGS for source in target.arguments)
    assert (dfd.size, dfd.signed, dfd.user) == (4, True, False)
    assert (filename.user, filename.string) == (True, True)
    assert (mode.size, mode.signed) == (2, False)
    assert target.returns.signed


def test_a_pointer_knows_its_struct(btf):
    address = X86.resolve("bind", btf).arguments[1]
    assert btf.type(address.pointee).name == "sockaddr"
    assert (address.type_id, address.user, address.string) == (0, True, False)


def test_entry_and_exit(btf):
    entry, leave = X86.contexts(X86.resolve("openat", btf), role="call")
    assert (entry.section, leave.section) == ("tp_btf/sys_enter", "tp_btf/sys_exit")
    assert entry.syscall == leave.syscall == 257
    number, caller = entry.guards
    assert (number.source.where, number.source.offset, number.value) == (ArgFrom.CTX, 8, 257)
    assert (caller.source.where, caller.source.member) == (ArgFrom.TASK, "thread_info.status")
    assert (caller.mask, caller.value) == (2, 0)
    assert (leave.guards[0].source.where, leave.guards[0].source.member) == (
        ArgFrom.REGS,
        "orig_ax",
    )
    assert leave.returns.offset == 8
    assert entry.returns is None


def test_aarch64(btf):
    entry, leave = ARM.contexts(ARM.resolve("openat", btf), role="call")
    assert entry.syscall == 56
    assert [source.member for source in entry.arguments] == [
        "orig_x0",
        "regs[1]",
        "regs[2]",
        "regs[3]",
    ]
    assert leave.guards[0].source.member == "syscallno"


def test_plain_raw_tracepoints(btf):
    kind = SyscallKind(typed=False, machine=registers.X86_64)
    (context,) = kind.contexts(kind.resolve("openat", btf), role="probe")
    assert (context.section, context.program_type) == ("raw_tp/sys_enter", "raw_tracepoint")
    assert not context.guards[0].source.trusted


def test_what_never_returns_has_no_exit(btf):
    target = X86.resolve("exit_group", btf)
    with pytest.raises(TargetError, match="it never returns"):
        X86.contexts(target, role="call")
    assert len(X86.contexts(target, role="probe")) == 1


def test_one_that_btf_lacks_may_still_be_in_the_kernel(btf, monkeypatch):
    monkeypatch.setattr(
        "syscast.probes.syscall._has_code", lambda name: name == "__x64_sys_getpid"
    )
    assert X86.resolve("getpid", btf).btf_id == 0


def test_one_that_the_kernel_lacks(btf, monkeypatch):
    monkeypatch.setattr("syscast.probes.syscall._has_code", lambda _: False)
    with pytest.raises(TargetError, match="this kernel is built without it"):
        X86.resolve("kexec_load", btf)


def test_one_that_the_machine_lacks(btf):
    with pytest.raises(TargetError, match="aarch64 does not have it"):
        ARM.resolve("open", btf)


def test_one_that_nobody_has(btf):
    with pytest.raises(TargetError, match="no such system call") as caught:
        X86.resolve("opeanat", btf)
    assert "openat" in caught.value.near
