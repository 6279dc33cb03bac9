"""Arguments are where the calling convention puts them."""

import pytest

from syscast.errors import TargetError
from syscast.ir.program import ArgFrom
from syscast.probes import registers
from syscast.probes.kprobe import _Kprobe

X86 = _Kprobe("kprobe", at_return=False, machine=registers.X86_64)
ARM = _Kprobe("kprobe", at_return=False, machine=registers.AARCH64)
X86_RETURN = _Kprobe("kretprobe", at_return=True, machine=registers.X86_64)


def places(kind, name, btf):
    found = kind.resolve(name, btf).arguments
    return [(source.name, source.where.value, source.offset) for source in found]


def test_registers_of_x86_64(btf):
    target = X86.resolve("inet_listen", btf)
    assert target.signature == "int inet_listen(struct socket *sock, int backlog)"
    sock, backlog = target.arguments
    assert (sock.offset, sock.size, sock.ctype) == (112, 8, "struct socket *")
    assert (backlog.offset, backlog.size, backlog.signed) == (104, 4, True)
    assert not sock.trusted
    assert target.returns.offset == 80
    assert target.returns.signed


def test_registers_of_aarch64(btf):
    assert places(ARM, "inet_listen", btf) == [("sock", "ctx", 0), ("backlog", "ctx", 8)]
    assert ARM.resolve("inet_listen", btf).returns.offset == 0


def test_the_seventh_argument_is_on_the_stack_of_x86_64(btf):
    found = X86.resolve("eight", btf).arguments
    assert [source.where for source in found[:6]] == [ArgFrom.CTX] * 6
    # The return address lies at the stack pointer.
    assert [(s.where, s.member, s.offset) for s in found[6:]] == [
        (ArgFrom.STACK, "sp", 8),
        (ArgFrom.STACK, "sp", 16),
    ]
    assert all(where == "ctx" for _, where, _ in places(ARM, "eight", btf))


def test_a_struct_of_one_word_is_read_in_place(btf):
    uid, x = X86.resolve("with_small", btf).arguments
    assert (uid.where, uid.offset, uid.array) == (ArgFrom.CTX, 112, 4)
    assert x.offset == 104


def test_a_struct_of_two_words(btf):
    x, pair, y = X86.resolve("with_pair", btf).arguments
    assert (x.offset, y.offset) == (112, 88)
    # rsi lies below rdx in pt_regs, so the two words are not next to each other in order.
    assert pair.where is ArgFrom.NOWHERE
    assert "two registers" in pair.why
    pair = ARM.resolve("with_pair", btf).arguments[1]
    assert (pair.where, pair.offset, pair.array) == (ArgFrom.CTX, 8, 16)


def test_what_does_not_fit_goes_to_the_stack(btf):
    # One register is left for two words: x86-64 gives it to the next argument, AAPCS64 has eight.
    assert places(X86, "pair_late", btf)[5:] == [("p", "stack", 8), ("y", "ctx", 64)]
    assert places(ARM, "pair_late", btf)[5:] == [("p", "ctx", 40), ("y", "ctx", 56)]


def test_a_large_struct(btf):
    x, large, y = X86.resolve("with_large", btf).arguments
    assert (large.where, large.offset, large.array) == (ArgFrom.STACK, 8, 24)
    assert (x.offset, y.offset) == (112, 104)
    x, large, y = ARM.resolve("with_large", btf).arguments
    assert (large.where, large.offset, large.array, large.type_id) == (ArgFrom.CTX, 8, 0, 0)
    assert btf.type(large.pointee).name == "large"
    assert y.offset == 16


def test_a_struct_that_is_returned(btf):
    returns = X86.resolve("with_small", btf).returns
    assert returns.where is ArgFrom.NOWHERE
    assert "16 bytes" in returns.why


def test_entry_and_exit(btf):
    entry, leave = X86.contexts(X86.resolve("inet_listen", btf), role="call")
    assert (entry.section, leave.section) == ("kprobe/inet_listen", "kretprobe/inet_listen")
    assert entry.returns is None
    assert leave.arguments == ()
    assert leave.returns is not None
    # The return address is gone from the stack at the exit.
    assert (entry.frame, entry.frame_bias, leave.frame_bias) == ("sp", 8, 0)
    assert not entry.direct_reads


def test_a_kretprobe_sees_the_return_value_only(btf):
    (context,) = X86_RETURN.contexts(X86_RETURN.resolve("inet_listen", btf), role="probe")
    assert context.section == "kretprobe/inet_listen"
    assert context.arguments == ()
    assert context.returns.ctype == "int"


def test_an_unknown_function(btf, monkeypatch):
    monkeypatch.setattr("syscast.probes.functions.explanation", lambda _: None)
    monkeypatch.setattr("syscast.probes.functions.copies_with_code", lambda _: ())
    with pytest.raises(TargetError, match="function 'inet_lisen': look up") as caught:
        X86.resolve("inet_lisen", btf)
    assert caught.value.near[0] == "inet_listen"


def test_code_without_btf_has_its_registers(btf, monkeypatch):
    monkeypatch.setattr("syscast.probes.functions.copies_with_code", lambda _: ["xfs"])
    target = X86.resolve("xfs_do.isra.0", btf)
    assert [source.name for source in target.arguments] == [f"arg{n}" for n in range(6)]
    assert target.module == "xfs"
    assert target.returns.offset == 80
