"""What scripts ask about the kernel, and the books of probes."""

from __future__ import annotations

import pytest

from syscast.bcc import features, probed, syscallnames
from syscast.bcc.arguments import as_bytes
from syscast.bcc.programs import Quota, close_all, probe_limit, traced
from syscast.bcc.surroundings import version_code
from syscast.bcc.tracing import add_prefix
from syscast.btf import source
from syscast.errors import NotSupportedError
from syscast.symbols import kallsyms, traceable
from syscast.symbols.kallsyms import Kallsyms


@pytest.fixture
def btf():
    try:
        return source.kernel()
    except NotSupportedError:
        pytest.skip("this kernel has no BTF")


@pytest.mark.usefixtures("btf")
@pytest.mark.parametrize(
    ("struct", "field", "answer"),
    [
        (b"task_struct", b"pid", 1),
        (b"sock", b"__sk_common", 1),
        (b"in6_addr", b"u6_addr8", 0),  # inside a member that has a name
        (b"bpf_attr", b"map_type", 1),  # inside an anonymous one of a union
        (b"task_struct", b"no_such_member", 0),
        (b"no_such_struct", b"pid", -1),
    ],
)
def test_members_of_structs(struct, field, answer):
    assert features.kernel_struct_has_field(struct, field) == answer


@pytest.mark.usefixtures("btf")
@pytest.mark.parametrize(
    ("enum", "value", "answer"),
    [
        (b"bpf_attach_type", b"BPF_TRACE_FENTRY", 1),
        (b"bpf_attach_type", b"NOTHING", 0),
        (b"no_such_enum", b"NOTHING", -1),
    ],
)
def test_enumerators(enum, value, answer):
    assert features.kernel_enum_has_val(enum, value) == answer


def test_without_btf_nothing_is_known(monkeypatch):
    def nothing():
        raise NotSupportedError("no BTF")

    monkeypatch.setattr(source, "kernel", nothing)
    assert features.kernel_struct_has_field(b"task_struct", b"pid") == -1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"kfunc__tcp_connect", ("trace_fentry", "tcp_connect")),
        (b"kretfunc__tcp_connect", ("trace_fexit", "tcp_connect")),
        (b"kfunc____x64_sys_bpf", ("trace_fentry", "__x64_sys_bpf")),
        (b"kmod_ret__security_bpf", ("modify_return", "security_bpf")),
        (b"lsm__bpf", ("lsm_mac", "bpf")),
        (b"bpf_iter__task", ("trace_iter", "task")),
        (b"kfunc__some_module__its_function", ("trace_fentry", "some_module:its_function")),
    ],
)
@pytest.mark.usefixtures("btf")
def test_targets_in_names_of_functions(name, expected):
    assert traced(name) == expected


def test_prefixes_are_added_once():
    assert add_prefix(b"kfunc__", b"x") == add_prefix(b"kfunc__", b"kfunc__x") == b"kfunc__x"


SYMBOLS = b"""\
ffffffff81000100 T tcp_connect
ffffffff81000200 t tcp_sendmsg
ffffffff81000300 t tcp_sendmsg.cold
ffffffff81000400 T perf_trace_sched
ffffffff81000500 d tcp_data
ffffffff81000600 T __init_begin
ffffffff81000700 t tcp_early
ffffffff81000800 T __init_end
ffffffff81000900 t tcp_forbidden
ffffffff81000a00 T __arm64_sys_bpf
ffffffffc0000100 t tcp_module\t[tcp_x]
ffffffffc0000200 t bpf_prog_tcp\t[bpf]
"""


@pytest.fixture
def symbols(monkeypatch):
    probed._candidates.cache_clear()
    probed._ranges.cache_clear()
    syscallnames.prefix.cache_clear()
    monkeypatch.setattr(kallsyms, "_loaded", [Kallsyms(SYMBOLS)])
    monkeypatch.setattr(
        traceable, "_lists", {"filter": None, "blacklist": b"\n0x0-0x1\ttcp_forbidden\n"}
    )
    yield
    probed._candidates.cache_clear()
    probed._ranges.cache_clear()
    syscallnames.prefix.cache_clear()


@pytest.mark.usefixtures("symbols")
@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (b"tcp_.*", {b"tcp_connect", b"tcp_sendmsg", b"tcp_module"}),
        (b"^tcp_c.*$", {b"tcp_connect"}),
        (b"tcp_connect", {b"tcp_connect"}),
        (b"^tcp_connect$", {b"tcp_connect"}),
        (b"connect", set()),  # as a whole
        (b"tcp_forbidden", set()),
        (b"tcp_early", set()),
        (b"tcp_data", set()),
        (b"perf_.*", set()),
        (b"(?:tcp_connect|tcp_send.*)", {b"tcp_connect", b"tcp_sendmsg"}),
    ],
)
def test_functions_by_expression(pattern, names):
    assert probed.functions_matching(pattern) == names


@pytest.mark.usefixtures("symbols")
def test_what_ftrace_knows_counts_where_it_is_known(monkeypatch):
    monkeypatch.setattr(
        traceable, "_lists", {"filter": b"\ntcp_module [tcp_x]\n", "blacklist": None}
    )
    assert probed.functions_matching(b"tcp_.*") == {b"tcp_module"}
    assert probed.functions_matching(b"tcp_connect") == set()


@pytest.mark.usefixtures("symbols")
def test_names_of_system_calls():
    assert syscallnames.prefix() == b"__arm64_sys_"
    assert syscallnames.function_of(b"clone") == b"__arm64_sys_clone"
    assert syscallnames.fixed(b"sys_clone") == b"__arm64_sys_clone"
    assert syscallnames.fixed(b"__x64_sys_clone") == b"__arm64_sys_clone"
    assert syscallnames.fixed(b"tcp_connect") == b"tcp_connect"


@pytest.mark.parametrize(
    ("version", "release", "code"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)", "6.1.0-28-amd64", 0x060177),
        ("Ubuntu 5.15.0-91.101-generic 5.15.131", "5.15.0-91-generic", 0x050F83),
        ("#1 SMP", "5.10.250", 0x050AFA),
        ("#1 SMP", "7.2-rc1", 0x070200),
        ("#1 SMP", "4.14.336", 0x040EFF),
        ("", "", 0),
    ],
)
def test_version_code(version, release, code):
    assert version_code(version, release) == code


def test_names_are_bytes_or_text_with_a_warning():
    class Argument:
        def __bytes__(self):
            return b"own"

    assert as_bytes(b"x") == b"x"
    assert as_bytes(Argument()) == b"own"
    with pytest.warns(DeprecationWarning, match="not a bytes object: 'x'"):
        assert as_bytes("x") == b"x"
    with pytest.raises(TypeError, match="must be bytes or str, not int"):
        as_bytes(3)


def test_quota(monkeypatch):
    monkeypatch.setattr(Quota, "held", 0)
    assert probe_limit() == 1000
    Quota.check(1000)
    with pytest.raises(Exception, match=r"^Number of open probes would exceed global quota$"):
        Quota.check(1001)
    monkeypatch.setenv("BCC_PROBE_LIMIT", "2000")
    Quota.check(2000)
    monkeypatch.setenv("BCC_PROBE_LIMIT", "many")
    assert probe_limit() == 1000


@pytest.mark.parametrize("count", [0, 1, 100])
def test_all_are_closed(count):
    closed = []

    class Held:
        def close(self):
            closed.append(self)

    close_all([Held() for _ in range(count)])
    assert len(set(closed)) == count


def test_every_name_of_the_package_is_there():
    import syscast.bcc  # noqa: PLC0415

    for name in syscast.bcc.__all__:
        assert getattr(syscast.bcc, name) is not None
    assert {"BPF", "utils", "tcp"} <= set(dir(syscast.bcc))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        syscast.bcc.nothing  # noqa: B018
