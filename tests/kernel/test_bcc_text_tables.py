"""Tables that C texts declare and fill, read through bcc's Python side: every macro, natively run."""

from __future__ import annotations

import ctypes as ct
import errno
import os
import time

import pytest

from syscast.bcc import BPF
from syscast.btf import source
from syscast.kernel.bpfprogs import prog_test_run
from syscast.kernel.host import possible_cpus

pytestmark = [pytest.mark.kernel, pytest.mark.native]
PACKET = bytes(64)


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """Read them once: they stay open for the process, which is no leak of a test."""
    source.kernel()


@pytest.fixture
def run():
    """Compile a text and run its function `run` some times: run(text, times) -> BPF."""
    made = []

    def make(text, times=1):
        b = BPF(text=text)
        made.append(b)
        function = b.load_func(b"run", BPF.SOCKET_FILTER)
        for _ in range(times):
            prog_test_run(function.program, data_in=PACKET)
        return b

    yield make
    for b in made:
        b.cleanup()


def test_structs_as_keys_and_values(run):
    b = run(
        b"""
struct key_t { u32 pid; u64 where; char comm[8]; };
struct value_t { u8 small; union { u32 number; u8 bytes[4]; }; u64 low : 20; u64 high : 44; bool yes; };
BPF_HASH(seen, struct key_t, struct value_t);
int run(struct __sk_buff *skb) {
    struct key_t key = {.pid = 7, .where = 1ULL << 40, .comm = "bash"};
    struct value_t zero = {}, *value;
    value = seen.lookup_or_try_init(&key, &zero);
    if (!value)
        return 0;
    value->small = 3;
    value->number = 0x04030201;
    value->low = 0xabcde;
    value->high = 0x123456789ULL;
    value->yes = 1;
    return 0;
}
"""
    )
    table = b[b"seen"]
    ((key, value),) = table.items()
    assert (key.pid, key.where, key.comm) == (7, 1 << 40, b"bash")
    assert [name for name, *_ in table.Key._fields_] == ["pid", "__pad_1", "where", "comm"]
    assert (value.small, value.number, bytes(value.bytes)) == (3, 0x04030201, b"\1\2\3\4")
    assert (value.low, value.high, value.yes) == (0xABCDE, 0x123456789, True)
    again = table.Key(pid=7, where=1 << 40, comm=b"bash")
    assert table[again].small == 3
    assert table.key_sprintf(key) == b'{ 0x7 0x10000000000 "bash" }'


def test_counts(run):
    b = run(
        b"""
struct bucket_t { char name[16]; u64 slot; };
BPF_ARRAY(counts, u64, 4);
BPF_HISTOGRAM(sizes);
BPF_HISTOGRAM(buckets, struct bucket_t);
BPF_PERCPU_ARRAY(each, u32, 2);
BPF_TABLE("percpu_hash", u32, u64, lately, 8);
int run(struct __sk_buff *skb) {
    u32 one = 1;
    u64 zero = 0, *value;
    struct bucket_t bucket = {.name = "disk", .slot = bpf_log2l(skb->len)};
    counts.increment(2, 5);
    counts.atomic_increment(3);
    sizes.increment(bpf_log2l(skb->len));
    buckets.increment(bucket);
    u32 *mine = each.lookup(&one);
    if (mine)
        *mine += 1;
    value = lately.lookup_or_try_init(&one, &zero);
    if (value)
        *value += 2;
    return 0;
}
""",
        times=3,
    )
    assert [leaf.value for leaf in b[b"counts"].values()] == [0, 0, 15, 3]
    assert {key.value: leaf.value for key, leaf in b[b"sizes"].items() if leaf.value} == {
        6: 3  # 50 bytes: what a socket filter sees lacks the Ethernet header
    }
    ((bucket, count),) = b[b"buckets"].items()
    assert (bucket.name, bucket.slot, count.value) == (b"disk", 6, 3)
    assert b[b"each"].sum(1).value == 3
    assert len(b[b"each"][1]) == possible_cpus()
    assert b[b"lately"].sum(ct.c_uint(1)).value == 6
    total = b.get_table(b"lately", reducer=lambda x, y: x + y)
    assert total[ct.c_uint(1)] == 6


def test_printed_histograms(run, capsys):
    b = run(
        b"""
struct bucket_t { char name[16]; u64 slot; };
BPF_HISTOGRAM(buckets, struct bucket_t);
BPF_HISTOGRAM(plain);
int run(struct __sk_buff *skb) {
    struct bucket_t bucket = {.name = "disk", .slot = 3};
    buckets.increment(bucket);
    plain.increment(1);
    return 0;
}
""",
        times=2,
    )
    b[b"buckets"].print_log2_hist("usecs", "device", section_print_fn=bytes.decode)
    b[b"plain"].print_linear_hist("depth")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "device = disk",
        "     usecs               : count     distribution",
        "         0 -> 1          : 0        |                                        |",
        "         2 -> 3          : 0        |                                        |",
        "         4 -> 7          : 2        |****************************************|",
        "     depth         : count     distribution",
        "        0          : 0        |                                        |",
        "        1          : 2        |****************************************|",
    ]


SENT = """
enum kind {{ OPENED = 4, CLOSED }};
struct inner_t {{ u16 port; u8 bytes[3]; }};
struct event_t {{ u32 pid; s8 small; enum kind kind; char comm[16]; struct inner_t inner; void *where; bool yes; }};
{declared}
int run(struct __sk_buff *skb) {{
    struct event_t event = {{.pid = 9, .small = 'x', .kind = CLOSED, .comm = "sh", .where = (void *)16, .yes = 1}};
    event.inner.port = 80;
    event.inner.bytes[2] = 7;
    {sent}
    return 0;
}}
"""
RESERVED = """
    struct event_t *sent = events.ringbuf_reserve(sizeof(event));
    if (!sent)
        return 0;
    *sent = event;
    events.ringbuf_submit(sent, 0);
"""
WAYS = {
    "perf": ("BPF_PERF_OUTPUT(events);", "events.perf_submit(skb, &event, sizeof(event));"),
    "ring": ("BPF_RINGBUF_OUTPUT(events, 8);", "events.ringbuf_output(&event, sizeof(event), 0);"),
    "reserved": (
        "BPF_RINGBUF_OUTPUT(events, 8);",
        RESERVED,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_events(run, way):
    declared, sent = WAYS[way]
    b = run(SENT.format(declared=declared, sent=sent).encode(), times=0)
    table = b[b"events"]
    seen = []

    def callback(_first, data, size):
        event = table.event(data)
        seen.append((event.pid, event.small, event.kind, event.comm, event.inner.port))
        seen.append((bytes(event.inner.bytes), event.where, event.yes, size))

    if way == "perf":
        table.open_perf_buffer(callback)
        poll = b.perf_buffer_poll
    else:
        table.open_ring_buffer(callback)
        poll = b.ring_buffer_poll
    function = b.load_func(b"run", BPF.SOCKET_FILTER)
    prog_test_run(function.program, data_in=PACKET)
    poll(timeout=5000)
    # 56 bytes; behind them the kernel pads perf records, with the u32 size in front, to whole words.
    size = 60 if way == "perf" else 56
    assert seen == [(9, b"x", 5, b"sh", 80), (b"\0\0\7", 16, True, size)]


def test_queues(run):
    b = run(
        b"""
BPF_QUEUE(queue, u64, 8);
BPF_STACK(stack, u64, 8);
int run(struct __sk_buff *skb) {
    for (int i = 0; i < 3; i++) {
        u64 value = i;
        queue.push(&value, 0);
        stack.push(&value, 0);
    }
    return 0;
}
"""
    )
    assert [leaf.value for leaf in b[b"queue"].values()] == [0, 1, 2]
    assert [leaf.value for leaf in b[b"stack"].values()] == [2, 1, 0]


def test_tables_of_tables(run):
    b = run(
        b"""
BPF_ARRAY(choice, int, 1);
BPF_TABLE("hash", int, int, first, 16);
BPF_TABLE("hash", int, int, second, 16);
BPF_HASH_OF_MAPS(outer, int, "first", 10);
int run(struct __sk_buff *skb) {
    int key = 0, one = 1, *chosen = choice.lookup(&key), *value;
    if (!chosen)
        return 0;
    int wanted = *chosen;
    void *inner = outer.lookup(&wanted);
    if (!inner)
        return 0;
    value = bpf_map_lookup_elem(inner, &key);
    if (value)
        *value += 1;
    else
        bpf_map_update_elem(inner, &key, &one, 0);
    return 0;
}
""",
        times=0,
    )
    b[b"outer"][ct.c_int(1)] = ct.c_int(b[b"first"].get_fd())
    b[b"outer"][ct.c_int(2)] = ct.c_int(b[b"second"].get_fd())
    function = b.load_func(b"run", BPF.SOCKET_FILTER)
    for wanted in (1, 2, 2):
        b[b"choice"][0] = ct.c_int(wanted)
        prog_test_run(function.program, data_in=PACKET)
    assert b[b"first"][ct.c_int(0)].value == 1
    assert b[b"second"][ct.c_int(0)].value == 2
    del b[b"outer"][ct.c_int(1)]
    assert [key.value for key in b[b"outer"]] == [2]


def test_tail_calls(run):
    b = run(
        b"""
BPF_PROG_ARRAY(calls, 4);
BPF_ARRAY(counts, u64, 2);
int target(struct __sk_buff *skb) { counts.increment(1); return 0; }
int run(struct __sk_buff *skb) { counts.increment(0); calls.call(skb, 2); return 0; }
""",
        times=0,
    )
    b[b"calls"][2] = b.load_func(b"target", BPF.SOCKET_FILTER)
    prog_test_run(b.load_func(b"run", BPF.SOCKET_FILTER).program, data_in=PACKET)
    assert [leaf.value for leaf in b[b"counts"].values()] == [1, 1]


STACKS = """
BPF_STACK_TRACE(stacks, 1024);
BPF_STACK_TRACE_BUILDID(places, 64);
BPF_HASH(seen, u32, int);
RAW_TRACEPOINT_PROBE(sys_enter) {
    if (bpf_get_current_pid_tgid() >> 32 != %d)
        return 0;
    u32 kernel = 0, user = 1, file = 2;
    int id = stacks.get_stackid(ctx, BPF_F_REUSE_STACKID);
    seen.update(&kernel, &id);
    id = stacks.get_stackid(ctx, BPF_F_USER_STACK | BPF_F_REUSE_STACKID);
    seen.update(&user, &id);
    id = places.get_stackid(ctx, BPF_F_USER_STACK | BPF_F_REUSE_STACKID);
    seen.update(&file, &id);
    return 0;
}
"""


def test_stacks():
    with BPF(text=(STACKS % os.getpid()).encode()) as b:
        time.sleep(0.01)
        b.detach_raw_tracepoint(b"sys_enter")
        ids = {key.value: leaf.value for key, leaf in b[b"seen"].items()}
        assert min(ids.values()) >= 0, ids
        stacks = b[b"stacks"]
        kernel = list(stacks.walk(ids[0]))
        assert kernel
        assert all(address > 1 << 63 for address in kernel)
        # The innermost frame may be the program itself, which is gone by now.
        names = list(stacks.walk(ids[0], b.ksym))
        assert set(names) > {b"[unknown]"} or b"[unknown]" not in names
        user = list(stacks.walk(ids[1]))
        assert user
        assert all(address < 1 << 63 for address in user)
        places = list(b[b"places"].walk(ids[2]))
        assert len(places) >= len(user)  # the kernel looks the 0 at a stack's end up as well
        first = places[0]
        assert isinstance(first, int) or any(first.build_id)
        stacks.clear()
        assert list(stacks.walk(ids[0])) == kernel
        with pytest.raises(KeyError):
            stacks.walk(-errno.EEXIST)


def test_layouts_and_instructions(run):
    b = run(
        b"""
struct key_t { int a; short b; struct { int c:4; int d:8; } e; } __attribute__((__packed__));
BPF_HASH(test_map, struct key_t);
int run(struct __sk_buff *skb) { return 1; }
"""
    )
    lines = b.disassemble_func(b"run").splitlines()
    assert lines[0] == "Disassemble of BPF program run:"
    # The compiler may write all 64 bits of the result or the 32 that count.
    assert lines[1] in {"   0: (b7) r0 = 1", "   0: (b4) r0 = 1"}
    assert lines[2] == "   1: (95) exit"
    assert b.decode_table(b"test_map").split("\n", 1)[1] == (
        "  struct {\n    int a;\n    short b;\n    struct {\n      int c:4;\n      int d:8;\n    } e;\n"
        "  } key;\n  unsigned long long value;"
    )


def test_names_give_tables_of_their_own(run):
    b = run(b"BPF_HASH(t); int run(struct __sk_buff *skb) { return 0; }", times=0)
    with pytest.warns(DeprecationWarning, match="not a bytes object"):
        text = b["t"]
    assert text is not b[b"t"]
    assert b[b"t"] is b[b"t"]
    assert text != b[b"t"]
    text[ct.c_ulonglong(1)] = ct.c_ulonglong(2)
    assert b[b"t"][ct.c_ulonglong(1)].value == 2
    with pytest.raises(KeyError):
        b[b"missing"]
