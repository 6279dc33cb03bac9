"""Words of the context are counted as the kernel's trampolines lay them out."""

import pytest

from syscast.errors import TargetError
from syscast.ir.program import ArgFrom
from syscast.probes.fentry import FENTRY, FEXIT


def test_pointers_to_structs_are_trusted(btf):
    sock, backlog = FENTRY.resolve("inet_listen", btf).arguments
    assert (sock.offset, sock.trusted, sock.where) == (0, True, ArgFrom.CTX)
    assert (backlog.offset, backlog.size, backlog.signed) == (8, 4, True)


def test_what_the_verifier_refuses_is_probe_read(btf):
    found = {source.name: source for source in FENTRY.resolve("mixed", btf).arguments}
    assert (found["flag"].size, found["mode"].size) == (1, 2)
    assert found["name"].where is ArgFrom.PROBED
    assert found["hidden"].where is ArgFrom.PROBED
    assert found["any"].where is ArgFrom.CTX
    assert found["where"].user
    assert not found["where"].trusted
    assert [source.offset for source in found.values()] == [0, 8, 16, 24, 32, 40]


def test_a_struct_by_value_takes_its_words(btf):
    x, pair, y = FENTRY.resolve("with_pair", btf).arguments
    assert (x.offset, pair.offset, pair.array, y.offset) == (0, 8, 16, 24)
    assert FEXIT.resolve("with_pair", btf).returns.offset == 32


def test_the_return_value_is_behind_the_arguments_and_not_trusted(btf):
    returns = FEXIT.resolve("mixed", btf).returns
    assert (returns.offset, returns.trusted, returns.where) == (48, False, ArgFrom.CTX)
    assert FEXIT.resolve("pointers", btf).returns.where is ArgFrom.PROBED
    assert FEXIT.resolve("eight", btf).returns is None


def test_entry_and_exit_share_the_frame(btf):
    entry, leave = FEXIT.contexts(FEXIT.resolve("inet_listen", btf), role="call")
    assert (entry.section, leave.section) == ("fentry/inet_listen", "fexit/inet_listen")
    assert (entry.attach_type, leave.attach_type) == ("trace_fentry", "trace_fexit")
    assert entry.frame == leave.frame == "ctx"
    assert entry.returns is None
    assert leave.arguments == entry.arguments
    assert leave.direct_reads


@pytest.mark.parametrize(
    ("name", "why"),
    [("many", "13 words and a trampoline passes 12"), ("print", "variable number")],
)
def test_what_no_trampoline_passes_on(btf, name, why):
    with pytest.raises(TargetError, match=why):
        FENTRY.resolve(name, btf)
