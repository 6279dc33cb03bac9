"""bcc's ``BPF`` around programs written by hand: loading, every way of attaching, and the way out.

The texts are not compiled here: what stands in for the compiler gives programs that count in an array, and only what
the test's own process does.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time

import pytest

from syscast import features
from syscast.asm import build, encode
from syscast.asm.opcodes import BPF_DW, BPF_JNE, BPF_RSH, BPF_W, R0, R1, R2, R10
from syscast.bcc import BPF, PerfSWConfig, PerfType, bpf, sharing, syscallnames
from syscast.bcc.programs import Quota
from syscast.btf import source
from syscast.kernel import tracefs
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec
from syscast.spec.meta import ObjectMeta
from syscast.spec.tables import CDesc, TableMeta

pytestmark = [pytest.mark.kernel, pytest.mark.native]
GET_CURRENT_PID_TGID = 14
MAP_LOOKUP_ELEM = 1
U32 = CDesc("int", "u32", 4, align=4)
U64 = CDesc("int", "u64", 8, align=8)
COUNTS = MapSpec("counts", "array", 4, 8, 4)
META = TableMeta("counts", "array", U32, U64, 4)


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """They stay open for the life of the process, so that no test leaves them behind."""
    source.kernel()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    features.forget()
    yield
    features.forget()
    sharing.forget()
    assert Quota.held == 0


def counting(name: str, slot: int = 0) -> ProgramSpec:
    """A program that adds one to a slot whenever this process runs it."""
    code = [
        build.call_helper(GET_CURRENT_PID_TGID),
        build.alu_imm(BPF_RSH, R0, 32),
        build.jump_imm(BPF_JNE, R0, os.getpid(), 9),
        build.store_imm(BPF_W, R10, -4, slot),
        build.mov_reg(R2, R10),
        build.alu_imm(0, R2, -4),
        build.load_map(R1, 0),  # two slots
        build.call_helper(MAP_LOOKUP_ELEM),
        build.jump_imm(0x10, R0, 0, 2),  # JEQ
        build.mov_imm(R1, 1),
        build.atomic(0, BPF_DW, R0, 0, R1),
        build.mov_imm(R0, 0),
        build.exit_(),
    ]
    return ProgramSpec(name, f"?c/{name}", "", "", "", encode(code), (MapRef(6, "counts"),))


def plain(name: str) -> ProgramSpec:
    """A program that does nothing."""
    code = encode([build.mov_imm(R0, 0), build.exit_()])
    return ProgramSpec(name, f"?c/{name}", "", "", "", code)


@pytest.fixture
def made(monkeypatch):
    """Makes ``BPF`` objects of programs, and cleans them up."""
    objects = []

    def make(*programs, maps=(COUNTS,), tables=(META,), **options):
        spec = ObjectSpec("x", "GPL", programs, maps, meta=ObjectMeta(tables=tables))
        monkeypatch.setattr(bpf, "compiled", lambda *_: spec)
        objects.append(BPF(text=b"stands for it", **options))
        return objects[-1]

    yield make
    for each in objects:
        each.cleanup()


def count(b: BPF, slot: int = 0) -> int:
    return int.from_bytes(b.maps["counts"].lookup(slot), "little")


def needs_tracefs():
    if tracefs.find_root() is None:
        pytest.skip("tracefs: find: it is not mounted (a test cannot mount it)")


def needs(feature):
    if not features.supported(feature):
        pytest.skip(f"this kernel has no {feature}")


def test_raw_tracepoints_by_name(made):
    b = made(counting("raw_tracepoint__sys_enter"))
    os.getppid()
    assert count(b) > 0
    assert b.funcs[b"raw_tracepoint__sys_enter"].fd > 2
    with pytest.raises(Exception, match=r"Raw tracepoint b'sys_enter' has been attached"):
        b.attach_raw_tracepoint(b"sys_enter", b"raw_tracepoint__sys_enter")
    b.detach_raw_tracepoint(b"sys_enter")
    before = count(b)
    os.getppid()
    assert count(b) == before
    with pytest.raises(Exception, match=r"Raw tracepoint b'sys_enter' is not attached"):
        b.detach_raw_tracepoint(b"sys_enter")


def test_names_in_the_kernel_have_no_prefix(made):
    b = made(plain("raw_tracepoint__sys_enter"))
    info = b.funcs[b"raw_tracepoint__sys_enter"]._held.info()
    assert info.name == "sys_enter"


def test_a_function_is_loaded_once(made):
    b = made(plain("one"), plain("two"))
    one = b.load_func(b"one", BPF.KPROBE)
    assert b.load_func(b"one", BPF.SOCKET_FILTER) is one
    assert (one.name, one.bpf) == (b"one", b)
    assert [each.name for each in b.load_funcs(BPF.KPROBE)] == [b"one", b"two"]
    assert b.dump_func(b"one") == plain("one").insns
    with pytest.raises(Exception, match=r"Unknown program b'three'"):
        b.load_func(b"three", BPF.KPROBE)


def test_the_verifier_speaks_on_descriptor_2(made, capfd):
    bad = ProgramSpec("bad", "?c/bad", "", "", "", encode([build.exit_()]))
    b = made(bad)
    with pytest.raises(Exception, match=r"^Failed to load BPF program b'bad': ") as caught:
        b.load_func(b"bad", BPF.KPROBE)
    assert type(caught.value) is Exception
    assert "register r0 is used before it is set" in capfd.readouterr().err


def test_no_such_raw_tracepoint(made):
    b = made(plain("p"))
    with pytest.raises(Exception, match=r"^Failed to attach BPF to raw tracepoint\n"):
        b.attach_raw_tracepoint(tp=b"nothing", fn_name=b"p")


def test_samples_of_this_process(made):
    b = made(counting("tick"))
    b.attach_perf_event(
        ev_type=PerfType.SOFTWARE,
        ev_config=PerfSWConfig.CPU_CLOCK,
        fn_name=b"tick",
        sample_freq=997,
        pid=os.getpid(),
    )
    deadline = time.monotonic() + 10
    while not count(b) and time.monotonic() < deadline:
        sum(range(10000))
    assert count(b) > 0
    b.detach_perf_event(PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK)
    with pytest.raises(Exception, match=r"not attached"):
        b.detach_perf_event(PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK)


def test_samples_by_a_whole_attribute(made):
    class Attr(ctypes.Structure):
        _fields_ = (
            ("type", ctypes.c_uint),
            ("size", ctypes.c_uint),
            ("config", ctypes.c_ulonglong),
            ("sample_freq", ctypes.c_ulonglong),
            ("sample_type", ctypes.c_ulonglong),
            ("read_format", ctypes.c_ulonglong),
            ("flags", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 8),
        )

    b = made(counting("tick"))
    attr = Attr(PerfType.SOFTWARE, 0, PerfSWConfig.CPU_CLOCK, 997, 0, 0, 1 << 10)  # freq
    b.attach_perf_event_raw(attr, b"tick", pid=os.getpid())
    deadline = time.monotonic() + 10
    while not count(b) and time.monotonic() < deadline:
        sum(range(10000))
    assert count(b) > 0
    b.detach_perf_event(PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK)


def test_a_perf_event_needs_a_rate(made):
    with pytest.raises(Exception, match=r"^Failed to attach BPF to perf event$"):
        made(plain("p")).attach_perf_event(PerfType.SOFTWARE, 0, b"p")


@pytest.mark.parametrize("how", ["sym", "addr", "sym_re"])
def test_functions_of_libraries(made, how):
    needs("uprobe")
    b = made(counting("called"), counting("returned", 1))
    (libc,) = [b.find_library(b"c")]
    pairs = BPF.get_user_functions_and_addresses(libc, b"^getppid$")
    assert [name for name, _ in pairs] == [b"getppid"]
    where = {
        "sym": {"name": b"c", "sym": b"getppid"},
        "addr": {"name": libc, "addr": pairs[0][1]},
        "sym_re": {"name": b"c", "sym_re": b"^getppid$"},
    }[how]
    b.attach_uprobe(**where, fn_name=b"called", pid=os.getpid())
    b.attach_uretprobe(**where, fn_name=b"returned", pid=os.getpid())
    assert b.num_open_uprobes() == 2
    for _ in range(3):
        os.getppid()
    assert (count(b), count(b, 1)) == (3, 3)
    if how != "sym_re":
        b.detach_uprobe(**where, pid=os.getpid())
        b.detach_uretprobe(**where, pid=os.getpid())
        os.getppid()
        assert (count(b), count(b, 1)) == (3, 3)
        assert b.num_open_uprobes() == 0
        with pytest.raises(Exception, match=r"is not attached"):
            b.detach_uprobe(**where, pid=os.getpid())


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (
            {"name": b"c", "sym": b"no_such_function"},
            r"could not determine address of symbol no_such_function in c",
        ),
        ({"name": b"nolib", "sym": b"f"}, r"could not determine address of symbol f in nolib"),
    ],
)
def test_no_such_function_in_a_library(made, where, words):
    b = made(plain("p"))
    with pytest.raises(Exception, match=words):
        b.attach_uprobe(**where, fn_name=b"p")


def test_tracepoints(made):
    needs_tracefs()
    b = made(counting("tracepoint__syscalls__sys_enter_getppid"))
    os.getppid()
    assert count(b) == 1
    assert b.num_open_tracepoints() == 1
    assert BPF.tracepoint_exists(b"syscalls", b"sys_enter_getppid")
    assert not BPF.tracepoint_exists(b"syscalls", b"nothing")
    assert BPF.get_tracepoints(b"syscalls:sys_e.*_getppid$") == [
        b"syscalls:sys_enter_getppid",
        b"syscalls:sys_exit_getppid",
    ]
    b.detach_tracepoint(b"syscalls:sys_enter_getppid")
    assert b.num_open_tracepoints() == 0


def test_no_such_tracepoint(made):
    b = made(plain("p"))
    with pytest.raises(
        Exception, match=r"^Failed to attach BPF program b'p' to tracepoint b'a:b'\n"
    ):
        b.attach_tracepoint(tp=b"a:b", fn_name=b"p")


def test_kprobes_by_name(made):
    needs("kprobe")
    b = made(counting("kprobe__sys_getppid"), counting("kretprobe__sys_getppid", 1))
    os.getppid()
    assert (count(b), count(b, 1)) == (1, 1)
    assert b.num_open_kprobes() == 2
    assert Quota.held == 2
    b.detach_kprobe(b.get_syscall_fnname(b"getppid"), b"kprobe__sys_getppid")
    os.getppid()
    assert (count(b), count(b, 1)) == (1, 2)
    b.detach_kretprobe(b.get_syscall_fnname(b"getppid"))
    assert b.num_open_kprobes() == 0


def test_kprobes_by_expression(made):
    needs("kprobe")
    b = made(counting("called"))
    pattern = b"__(x64|arm64)_sys_get(pgid|sid|priority)"
    assert len(BPF.get_kprobe_functions(pattern)) == 3
    b.attach_kprobe(event_re=pattern, fn_name=b"called")
    os.getpgid(0)
    os.getsid(0)
    assert count(b) == 2
    assert b.num_open_kprobes() == 3


@pytest.mark.parametrize("multi", [True, False])
def test_many_kprobes_share_a_link(made, multi, monkeypatch):
    needs("kprobe")
    if multi:
        needs("kprobe_multi")
    else:
        monkeypatch.setenv("SYSCAST_DISABLE", "kprobe_multi")
    pattern = b"__(x64|arm64)_sys_get.*"
    b = made(counting("called"), counting("returned", 1))
    b.attach_kprobe(event_re=pattern, fn_name=b"called")
    b.attach_kretprobe(event_re=pattern, fn_name=b"returned")
    number = len(BPF.get_kprobe_functions(pattern))
    assert number > 10
    assert b.num_open_kprobes() == 2 * number
    before = count(b), count(b, 1)
    os.getpgid(0)
    os.getsid(0)
    assert (count(b), count(b, 1)) == (before[0] + 2, before[1] + 2)
    b.detach_kprobe(b.get_syscall_fnname(b"getpgid"))
    before = count(b), count(b, 1)
    os.getpgid(0)
    os.getsid(0)
    assert (count(b), count(b, 1)) == (before[0] + 1, before[1] + 2)
    assert b.num_open_kprobes() == 2 * number - 1


@pytest.mark.parametrize("event", [{"event": b"no_such_function"}, {"event_re": b"no_such_fun.*"}])
def test_kprobes_that_cannot_be(made, event):
    b = made(plain("p"))
    words = r"^Failed to attach BPF program b'p' to kprobe .*, it's not traceable \(either non-existing,"
    with pytest.raises(Exception, match=words):
        b.attach_kprobe(**event, fn_name=b"p")
    assert b.num_open_kprobes() == 0


def test_the_quota_holds_for_all_objects(made, monkeypatch):
    monkeypatch.setenv("BCC_PROBE_LIMIT", "1")
    made(plain("raw_tracepoint__sys_enter"))
    with pytest.raises(Exception, match=r"Number of open probes would exceed global quota"):
        made(plain("p")).attach_kprobe(b"tcp_connect", fn_name=b"p")


def test_functions_by_btf(made):
    needs("fentry")
    name = syscallnames.function_of(b"getpgid").decode()
    b = made(counting(f"kfunc__{name}"), counting(f"kretfunc__{name}", 1))
    os.getpgid(0)
    assert (count(b), count(b, 1)) == (1, 1)
    b.detach_kfunc(name.encode())
    os.getpgid(0)
    assert (count(b), count(b, 1)) == (1, 2)
    with pytest.raises(Exception, match=r"Kernel exit func b'kretfunc__.*' has been attached"):
        b.attach_kretfunc(name.encode())


def test_what_the_kernel_can_is_tried():
    assert BPF.support_raw_tracepoint() == features.supported("raw_tracepoint")
    assert BPF.support_kfunc() == features.supported("fentry")
    assert BPF.support_lsm() == features.supported("lsm")
    assert isinstance(BPF.support_fmod_ret(), bool)


def test_packets_of_a_device(made):
    b = made(plain("filter"))
    function = b.load_func(b"filter", BPF.SOCKET_FILTER)
    BPF.attach_raw_socket(function, b"lo")
    with socket.socket(fileno=os.dup(function.sock)) as raw:
        assert raw.family == socket.AF_PACKET
        with pytest.raises(BlockingIOError):
            raw.recv(100)  # the program lets nothing through
    with pytest.raises(Exception, match=r"Failed to open raw device nosuch: "):
        BPF.attach_raw_socket(function, b"nosuch")
    with pytest.raises(Exception, match=r"arg 1 must be of type BPF.Function"):
        BPF.attach_raw_socket(3, b"lo")


def test_a_tables_contents(made):
    b = made(counting("raw_tracepoint__sys_enter"))
    os.getppid()
    table = b[b"counts"]
    assert b[b"counts"] is table
    assert b.get_table(b"counts") is not table
    assert table[ctypes.c_int(0)].value > 0
    assert (len(b), list(b)) == (1, [b"counts"])
    with pytest.raises(KeyError):
        b[b"nothing"]


def test_tables_of_other_objects(made):
    public = TableMeta("counts", "array", U32, U64, 4, sharing="export")
    extern = TableMeta("counts", "array", U32, U64, 4, sharing="extern")
    first = made(counting("raw_tracepoint__sys_enter"), tables=(public,))
    second = made(tables=(extern,))
    os.getppid()
    first.detach_raw_tracepoint(b"sys_enter")
    assert count(second) == count(first) > 0


def test_an_extern_table_that_nobody_publishes(made, capfd):
    extern = TableMeta("counts", "array", U32, U64, 4, sharing="extern")
    with pytest.raises(Exception, match=r"^Failed to compile BPF module <text>$"):
        made(tables=(extern,))
    assert "no other BPF object of this process publishes it" in capfd.readouterr().err


def test_the_end(made):
    b = made(counting("raw_tracepoint__sys_enter"))
    with b as again:
        assert again is b
    b.cleanup()
    assert b.module is None
    with pytest.raises(Exception, match=r"BPF object is closed"):
        b.load_func(b"raw_tracepoint__sys_enter", BPF.RAW_TRACEPOINT)


def test_close_keeps_what_is_attached(made):
    b = made(counting("raw_tracepoint__sys_enter"))
    held = b.maps["counts"].fd.duplicate()
    with held:
        b.close()
        from syscast.kernel import bpfmaps  # noqa: PLC0415

        before = bpfmaps.lookup(held, struct.pack("<I", 0), 8)
        os.getppid()
        assert bpfmaps.lookup(held, struct.pack("<I", 0), 8) != before
