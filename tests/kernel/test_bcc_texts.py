"""C texts through bcc's ``BPF`` in the kernel that runs, on nothing but the test's own process."""

from __future__ import annotations

import ctypes
import os
import re
import time
from pathlib import Path

import pytest

from syscast import features
from syscast.bcc import BPF, PerfSWConfig, PerfType, sharing
from syscast.btf import source

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.native,
    pytest.mark.filterwarnings("ignore:not a bytes object:DeprecationWarning"),
]

MINE = f"if (bpf_get_current_pid_tgid() >> 32 != {os.getpid()}) return 0;"


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """They stay open for the life of the process, so that no test leaves them behind."""
    source.kernel()


@pytest.fixture(autouse=True)
def after():
    yield
    features.forget()
    sharing.forget()


@pytest.fixture
def bpf():
    objects = []

    def make(text, **options):
        objects.append(BPF(text=text.replace("MINE", MINE).encode(), **options))
        return objects[-1]

    yield make
    for each in objects:
        each.cleanup()


def busy(until, seconds=10):
    """Burn time until something is true; gives it."""
    deadline = time.monotonic() + seconds
    while not (found := until()) and time.monotonic() < deadline:
        sum(range(10000))
    return found


def test_counts_in_a_hash(bpf):
    b = bpf("""
        struct key_t { u32 pid; char comm[16]; };
        BPF_HASH(seen, struct key_t, u64);
        RAW_TRACEPOINT_PROBE(sys_enter) {
            struct key_t key = {};
            MINE
            if (ctx->args[1] != 110) return 0;  // getppid of x86-64
            key.pid = bpf_get_current_pid_tgid() >> 32;
            bpf_get_current_comm(&key.comm, sizeof(key.comm));
            seen.increment(key);
            return 0;
        }
    """)
    for _ in range(3):
        os.getppid()
    if os.uname().machine == "x86_64":
        [(key, value)] = b["seen"].items()
        assert (key.pid, value.value) == (os.getpid(), 3)
        assert key.comm == Path("/proc/self/comm").read_bytes().strip()


def test_events_through_a_perf_buffer(bpf):
    b = bpf("""
        struct data_t { u64 ts; u32 pid; char comm[16]; };
        BPF_PERF_OUTPUT(events);
        int raw_tracepoint__sys_enter(struct bpf_raw_tracepoint_args *ctx) {
            struct data_t data = {.ts = bpf_ktime_get_ns()};
            MINE
            data.pid = bpf_get_current_pid_tgid() >> 32;
            bpf_get_current_comm(&data.comm, sizeof(data.comm));
            events.perf_submit(ctx, &data, sizeof(data));
            return 0;
        }
    """)
    got = []

    def take(_cpu, data, size):
        got.append((b["events"].event(data), size))

    b["events"].open_perf_buffer(take, page_cnt=64)
    before = BPF.monotonic_time()
    os.getppid()
    b.perf_buffer_poll(1000)
    assert got
    event, size = got[0]
    assert size >= 28
    assert event.pid == os.getpid()
    assert before - 60e9 < event.ts < BPF.monotonic_time()


def test_events_through_a_ring_buffer(bpf):
    if not features.supported("ringbuf"):
        pytest.skip("this kernel has no ringbuf")
    b = bpf("""
        BPF_RINGBUF_OUTPUT(ring, 8);
        struct data_t { u64 number; };
        int raw_tracepoint__sys_enter(struct bpf_raw_tracepoint_args *ctx) {
            MINE
            struct data_t *data = ring.ringbuf_reserve(sizeof(struct data_t));
            if (!data) return 0;
            data->number = ctx->args[1];
            ring.ringbuf_submit(data, 0);
            return 0;
        }
    """)
    got = []

    def take(_context, data, size):
        got.append((b["ring"].event(data).number, size))

    b["ring"].open_ring_buffer(take)
    os.getppid()
    b.ring_buffer_poll(1000)
    assert got
    assert {size for _, size in got} == {8}


def test_no_ring_buffer_is_open(bpf):
    b = bpf("int f(void *ctx) { return 0; }")
    for act in (b.ring_buffer_poll, b.ring_buffer_consume):
        with pytest.raises(Exception, match=r"^No ring buffers found$"):
            act()
    b.perf_buffer_poll(0)


def test_samples_with_stacks(bpf):
    b = bpf("""
        #include <uapi/linux/bpf_perf_event.h>
        BPF_STACK_TRACE(stacks, 1024);
        BPF_HASH(counts, int, u64);
        int sample(struct bpf_perf_event_data *ctx) {
            MINE
            int id = stacks.get_stackid(&ctx->regs, BPF_F_USER_STACK);
            counts.increment(id);
            return 0;
        }
    """)
    b.attach_perf_event(
        ev_type=PerfType.SOFTWARE,
        ev_config=PerfSWConfig.CPU_CLOCK,
        fn_name=b"sample",
        sample_freq=499,
        pid=os.getpid(),
    )

    def names():
        """Of the frames seen so far, if one is the interpreter's own."""
        stacks = [key.value for key, _ in b["counts"].items() if key.value >= 0]
        found = {b.sym(each, os.getpid()) for one in stacks for each in b["stacks"].walk(one)}
        known = any(name.startswith((b"_Py", b"Py", b"long_", b"range")) for name in found)
        return found if known else set()

    assert busy(names, 30)


def test_arguments_of_a_user_function(bpf):
    if not features.supported("uprobe"):
        pytest.skip("this kernel has no uprobe")
    b = bpf("""
        #include <uapi/linux/ptrace.h>
        BPF_ARRAY(last, long, 2);
        int on_labs(struct pt_regs *ctx, long value) {
            int zero = 0;
            last.update(&zero, &value);
            return 0;
        }
        int on_return(struct pt_regs *ctx) {
            int one = 1;
            long value = PT_REGS_RC(ctx);
            last.update(&one, &value);
            return 0;
        }
    """)
    b.attach_uprobe(name=b"c", sym=b"labs", fn_name=b"on_labs", pid=os.getpid())
    b.attach_uretprobe(name=b"c", sym=b"labs", fn_name=b"on_return", pid=os.getpid())
    labs = ctypes.CDLL(None).labs
    labs.argtypes, labs.restype = [ctypes.c_long], ctypes.c_long
    assert labs(-77) == 77
    assert [b["last"][ctypes.c_int(each)].value for each in (0, 1)] == [-77, 77]


def test_flags_define_macros(bpf):
    b = bpf(
        "BPF_ARRAY(t, u64, 1);\n#ifdef MORE\nint f(void *ctx) { return NUMBER; }\n#endif\n",
        cflags=["-DMORE", b"-DNUMBER=3", "-Wno-whatever"],
    )
    assert b.load_func(b"f", BPF.SOCKET_FILTER).fd > 2


@pytest.mark.parametrize(
    ("body", "place", "cause"),
    [
        (
            "int k = 9;\n  u64 *v = t.lookup(&k);\n  *v += 1;\n  return 0;",
            r"^/virtual/main\.c:5:4: error: it uses a pointer that may be NULL$",
            "test it first: if (!p) return 0;",
        ),
        (
            "u64 s = 0;\n  while (1) { s += bpf_ktime_get_ns(); }\n  return s;",
            r"^/virtual/main\.c:4:\d+: error: it may loop for ever$",
            "bound the loop by a constant",
        ),
    ],
)
def test_the_verifier_names_the_line_of_c(bpf, capfd, body, place, cause):
    b = bpf(f"BPF_ARRAY(t, u64, 4);\nint f(struct pt_regs *ctx) {{\n  {body}\n}}\n")
    with pytest.raises(Exception, match=r"^Failed to load BPF program b'f': "):
        b.load_func(b"f", BPF.KPROBE)
    errors = capfd.readouterr().err
    assert re.search(place, errors, re.MULTILINE), errors
    assert f"hint: {cause}" in errors


def test_looking_at_a_program(bpf):
    b = bpf("BPF_ARRAY(t, u64, 4);\nint f(void *ctx) { return 7; }\n")
    text = b.disassemble_func(b"f")
    assert text.startswith("Disassemble of BPF program")
    assert "r0 = 7" in text
    assert len(b.dump_func(b"f")) % 8 == 0
    assert "t (type ARRAY" in b.decode_table(b"t")


def test_tables_between_objects(bpf):
    first = bpf('BPF_TABLE_PUBLIC("hash", int, int, shared_numbers, 10);\n')
    second = bpf('BPF_TABLE("extern", int, int, shared_numbers, 10);\n')
    first["shared_numbers"][ctypes.c_int(3)] = ctypes.c_int(9)
    assert second["shared_numbers"][ctypes.c_int(3)].value == 9


def test_a_pinned_table_outlives_its_object(bpf):
    place = "/sys/fs/bpf"
    if not os.path.ismount(place):
        pytest.skip("no bpf file system is mounted")
    path = f"{place}/syscast-{os.getpid()}"
    text = f'BPF_TABLE_PINNED("hash", u32, u64, pinned, 16, "{path}");\n'
    try:
        first = bpf(text)
        first["pinned"][ctypes.c_uint(1)] = ctypes.c_ulonglong(5)
        first.cleanup()
        assert bpf(text)["pinned"][ctypes.c_uint(1)].value == 5
    finally:
        Path(path).unlink()


def test_a_tail_call(bpf):
    b = bpf("""
        BPF_PROG_ARRAY(next, 4);
        BPF_ARRAY(ran, u64, 1);
        int tail(struct bpf_raw_tracepoint_args *ctx) {
            ran.increment(0);
            return 0;
        }
        int raw_tracepoint__sys_enter(struct bpf_raw_tracepoint_args *ctx) {
            MINE
            next.call(ctx, 2);
            return 0;
        }
    """)
    b["next"][ctypes.c_int(2)] = b.load_func(b"tail", BPF.RAW_TRACEPOINT)
    os.getppid()
    assert b["ran"][ctypes.c_int(0)].value > 0
