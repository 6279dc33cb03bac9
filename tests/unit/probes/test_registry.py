"""The best kind is chosen, with its reasons; what cannot be is explained."""

import pytest

from syscast.btf import source
from syscast.errors import NotSupportedError, TargetError, UsageError
from syscast.features import NO, YES, Result
from syscast.probes import registers, registry
from syscast.spec import ProgramSpec


@pytest.fixture
def kernel(btf, monkeypatch):
    """The small kernel in place of the running one, on x86_64, with no module loaded."""
    monkeypatch.setattr(source, "kernel", lambda: btf)
    monkeypatch.setattr(source, "modules", list)
    monkeypatch.setattr(registers, "here", lambda: registers.X86_64)
    monkeypatch.setattr("syscast.kernel.tracefs.find_root", lambda: None)
    monkeypatch.setattr("syscast.probes.functions.explanation", lambda _: None)
    monkeypatch.setattr("syscast.probes.functions.copies_with_code", lambda _: ())
    return btf


@pytest.fixture
def lacking(monkeypatch):
    """Say which features this machine lacks; all others are there."""
    lacks = set()

    def probe(name):
        return Result(NO, f"no {name} here") if name in lacks else Result(YES)

    monkeypatch.setattr("syscast.features.probe", probe)
    monkeypatch.setattr("syscast.features.supported", lambda name: bool(probe(name)))
    return lacks


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize(
    ("text", "role", "kind", "sections"),
    [
        ("inet_listen", "probe", "fentry", ["fentry/inet_listen"]),
        ("inet_listen", "call", "fexit", ["fentry/inet_listen", "fexit/inet_listen"]),
        ("function:inet_listen", "probe", "fentry", ["fentry/inet_listen"]),
        ("kprobe:inet_listen", "probe", "kprobe", ["kprobe/inet_listen"]),
        ("kprobe:inet_listen", "call", "kprobe", ["kprobe/inet_listen", "kretprobe/inet_listen"]),
        ("openat", "call", "syscall", ["tp_btf/sys_enter", "tp_btf/sys_exit"]),
        ("sys_openat", "probe", "syscall", ["tp_btf/sys_enter"]),
        ("sched_switch", "probe", "raw_tracepoint", ["tp_btf/sched_switch"]),
        ("raw_tp:sched_switch", "probe", "raw_tracepoint", ["tp_btf/sched_switch"]),
    ],
)
def test_the_first_that_works(kernel, text, role, kind, sections):
    choice = registry.choose(text, role)
    assert choice.kind.name == kind
    assert choice.types is kernel
    assert [c.section for c in choice.kind.contexts(choice.target, role=role)] == sections
    assert choice.rejected == ()


@pytest.mark.usefixtures("kernel")
def test_kprobes_where_there_are_no_trampolines(lacking):
    lacking |= {"fentry", "fexit"}
    choice = registry.choose("inet_listen")
    assert choice.kind.name == "kprobe"
    assert choice.rejected == (("fentry", "no fentry here"),)
    assert registry.choose("inet_listen", "call").kind.name == "kretprobe"


@pytest.mark.usefixtures("kernel", "lacking")
def test_kprobes_for_what_no_trampoline_passes_on():
    choice = registry.choose("many")
    assert choice.kind.name == "kprobe"
    assert "13 words" in choice.rejected[0][1]


@pytest.mark.usefixtures("kernel", "lacking")
def test_what_this_kernels_trampolines_do_not_pass_on_goes_to_kprobes(monkeypatch):
    tried = []

    def refuse(_kind, context):
        tried.append(context.section)
        raise NotSupportedError("program 'trial': attach: the kernel does not support it")

    monkeypatch.setattr("syscast.probes.fentry._Tracing._try", refuse)
    choice = registry.choose("eight", "call")
    assert choice.kind.name == "kretprobe"
    assert "the kernel does not support it" in choice.rejected[0][1]
    assert registry.choose("with_small").kind.name == "kprobe"
    # The usual ones are not tried.
    assert registry.choose("inet_listen").kind.name == "fentry"
    assert tried == ["fexit/eight", "fentry/with_small"]
    with pytest.raises(NotSupportedError, match="fentry 'eight': attach: program 'trial'"):
        registry.choose("fentry:eight")


@pytest.mark.usefixtures("kernel")
def test_no_way_at_all(lacking):
    lacking |= {"fentry", "kprobe", "kprobe_multi"}
    with pytest.raises(NotSupportedError) as caught:
        registry.choose("inet_listen")
    assert str(caught.value) == (
        "function 'inet_listen': attach: no way on this machine: fentry: no fentry here; "
        "kprobe: no kprobe here"
    )
    assert registry.choose("inet_listen", here=False).kind.name == "fentry"


@pytest.mark.usefixtures("kernel")
def test_the_users_kind_is_not_replaced(lacking):
    lacking |= {"kprobe", "kprobe_multi"}
    with pytest.raises(NotSupportedError, match=r"say function:inet_listen to take what works"):
        registry.choose("kprobe:inet_listen")


@pytest.mark.usefixtures("kernel")
def test_raw_tracepoints_without_types(lacking):
    lacking |= {"tp_btf"}
    choice = registry.choose("sched_switch")
    (context,) = choice.kind.contexts(choice.target, role="probe")
    assert context.section == "raw_tp/sched_switch"
    choice = registry.choose("openat")
    (context,) = choice.kind.contexts(choice.target, role="probe")
    assert context.section == "raw_tp/sys_enter"


@pytest.mark.usefixtures("kernel", "lacking")
@pytest.mark.parametrize(
    ("text", "message", "near"),
    [
        ("inet_lisen", "function 'inet_lisen': look up", "inet_listen"),
        ("opeanat", "function 'opeanat': look up", "syscall:openat"),
        ("syscall:opeanat", "syscall 'opeanat': look up: no such system call", "openat"),
        ("raw_tp:sched_swich", "no such tracepoint", "sched_switch"),
        ("foo:sched_swich", "no module 'foo' with BTF is loaded", "sched_switch"),
    ],
)
def test_wrong_names(text, message, near):
    with pytest.raises(TargetError, match=message) as caught:
        registry.choose(text)
    assert near in caught.value.near


@pytest.mark.usefixtures("kernel", "lacking")
def test_a_system_call_has_no_module():
    with pytest.raises(TargetError, match="has no module"):
        registry.choose("syscall:fs:openat")


def test_an_unknown_kind():
    with pytest.raises(UsageError, match="kind 'oprobe': look up: there is none"):
        registry.get("oprobe")


def program(section, kind, attach_type="", target="inet_listen"):
    return ProgramSpec("p", section, kind, attach_type, target, b"")


@pytest.mark.usefixtures("kernel")
def test_prepare_takes_kprobe_multi_where_it_works(lacking):
    spec = program("kprobe/inet_listen", "kprobe")
    assert registry.prepare(spec).attach_type == "trace_kprobe_multi"
    lacking.add("kprobe_multi")
    assert registry.prepare(spec) == spec


@pytest.mark.usefixtures("kernel", "lacking")
@pytest.mark.parametrize(
    ("section", "target"),
    [
        ("kprobe/inet_listen+8", "inet_listen+8"),
        ("kprobe/nft:nft_do", "nft:nft_do"),
        ("kprobe/in_no_btf", "in_no_btf"),
    ],
)
def test_prepare_leaves_to_perf_events_what_only_they_know(section, target):
    spec = program(section, "kprobe", target=target)
    assert registry.prepare(spec) == spec


def test_programs_of_other_sorts_are_refused():
    with pytest.raises(NotSupportedError, match="no kind for programs in section 'xdp'"):
        registry.prepare(program("xdp", "xdp"))
