"""usdt: which probe is meant, how its places are grouped, where its arguments are read."""

from __future__ import annotations

import pytest

from syscast.elf import EM_AARCH64, EM_X86_64
from syscast.errors import TargetError, UsageError
from syscast.ir.program import ArgFrom, Deref
from syscast.probes import names, registers, usdt
from syscast.probes.kind import Whom
from syscast.probes.usdt import Usdt
from syscast.symbols import libraries, sdtoperands, stapsdt
from syscast.symbols.stapsdt import Location, Probe


def probe(name, *texts, provider="own", path="/lib/x", machine=EM_X86_64):
    places = tuple(
        Location(0x1000 + n, n, 0, sdtoperands.arguments(text, machine))
        for n, text in enumerate(texts)
    )
    return Probe(path, provider, name, places)


@pytest.fixture
def known(monkeypatch):
    """The probes of every file and of every process."""
    found = []
    monkeypatch.setattr(libraries, "find", lambda name, _=0: name)
    monkeypatch.setattr(stapsdt, "probes", lambda _: list(found))
    monkeypatch.setattr(stapsdt, "of_process", lambda _: list(found))
    return found


def test_names(known):
    known += [probe("a", ""), probe("a", "", provider="other"), probe("b", "", path="/lib/y")]
    assert usdt.find("/lib/x:own:a") is known[0]
    assert usdt.find("/lib/x:b") is known[2]
    assert usdt.find("own:b", 7) is known[2]
    with pytest.raises(TargetError, match=r"look up in /lib/x: several are .*own:a, .*other:a"):
        usdt.find("/lib/x:a")
    with pytest.raises(TargetError, match="of process 7: there is no such probe") as caught:
        usdt.find("own:c", 7)
    assert "own:a" in caught.value.near
    assert names.parse("usdt:/lib/x:own:a") == names.Name("usdt", "/lib/x:own", "a")
    for text in ("usdt:a", "usdt:a:", "usdt:a:b:c:d"):
        with pytest.raises(UsageError, match="usdt:FILE:PROVIDER:NAME"):
            names.parse(text)


def test_places_with_the_same_arguments_share_a_program(known):
    known.append(probe("a", "8@%rdi", "8@%rsi", "8@%rdi", "8@$1"))
    kind = Usdt(machine=registers.X86_64)
    first = kind.resolve("/lib/x:own:a", None)
    assert first.name == "/lib/x:own:a"
    assert [each.name for each in kind.others(first)] == ["/lib/x:own:a#1", "/lib/x:own:a#2"]
    (context,) = kind.contexts(kind.others(first)[0], role="probe")
    assert context.section == "usdt//lib/x:own:a#1"
    assert context.arguments[0].offset == 104


def test_arguments_of_x86(known):
    known.append(probe("a", "-4@%eax 1@%bh 8@$-3 -2@-4(%rbp,%r12,8) 8@(%rsp) 8f@%xmm0 8@%k1"))
    found = Usdt(machine=registers.X86_64).resolve("/lib/x:own:a", None).arguments
    assert [(each.name, each.ctype) for each in found[:2]] == [
        ("arg0", "int"),
        ("arg1", "unsigned char"),
    ]
    assert [(each.where, each.offset, each.size, each.signed) for each in found[:3]] == [
        (ArgFrom.CTX, 80, 4, True),
        (ArgFrom.CTX, 41, 1, False),
        (ArgFrom.CONSTANT, -3, 8, False),
    ]
    assert found[3].deref == Deref(base=32, distance=-4, index=24, scale=8)
    assert found[4].deref == Deref(base=152)
    assert [each.where for each in found[5:]] == [ArgFrom.NOWHERE] * 2
    assert "floating-point" in found[5].why
    assert "'8@%k1' is not understood" in found[6].why


def test_arguments_of_aarch64(known):
    known.append(probe("a", "-4@w2 8@[sp, 16]", machine=EM_AARCH64))
    found = Usdt(machine=registers.AARCH64, whom=Whom(1)).resolve("/lib/x:own:a", None).arguments
    assert (found[0].offset, found[0].size) == (16, 4)
    assert found[1].deref == Deref(base=248, distance=16)
