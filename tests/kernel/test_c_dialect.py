"""Words of the bcc dialect, run by the kernel: methods of tables, helpers, packets, what programs get as parameters."""

from __future__ import annotations

import os
from struct import pack, unpack

import msgspec
import pytest

from syscast.bcc.surroundings import Host
from syscast.btf import source
from syscast.compiler.cunit import compile_c
from syscast.errors import VerifierError
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load

pytestmark = [pytest.mark.kernel, pytest.mark.native]


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """They stay open for the life of the process, so that no test leaves them behind."""
    source.kernel()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


class Run:
    """A text's program `run`, loaded; and what it returned for each call."""

    def __init__(self, text, kind="raw_tracepoint"):
        spec = compile_c(text, surroundings=Host()).spec
        (program,) = spec.programs
        program = msgspec.structs.replace(program, type=kind, attach_type="")
        self.meta = {each.name: each for each in spec.meta.tables}
        self.loaded = load(spec, overrides={program.name: program})
        self.maps = self.loaded.maps
        self.fd = self.loaded.programs["run"].fd

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loaded.close()

    def __call__(self, *words):
        return prog_test_run(self.fd, ctx_in=pack("<4Q", *words, *[0] * (4 - len(words)))).retval

    def packet(self, data):
        return prog_test_run(self.fd, data_in=data, data_out=256)

    def number(self, table, key, size=8):
        found = self.maps[table].lookup(key)
        return None if found is None else int.from_bytes(found[:size], "little")


def raw(text, body):
    """A program on the words of a raw tracepoint."""
    return Run(f"{text}\nint run(struct bpf_raw_tracepoint_args *ctx) {{ {body} }}")


def key8(number):
    return pack("<Q", number)


# ---------------------------------------------------------------- tables


def test_lookup_update_insert_delete():
    body = """
        u64 k = ctx->args[0], v = ctx->args[1], *p;
        if (ctx->args[2] == 0) return h.update(&k, &v);
        if (ctx->args[2] == 1) return h.insert(&k, &v);
        if (ctx->args[2] == 2) return h.delete(&k);
        p = h.lookup(&k);
        if (!p) return 1000;
        (*p)++;
        return *p;
    """
    with raw("BPF_HASH(h);", body) as run:
        assert run(7, 41, 3) == 1000
        assert run(7, 41, 0) == 0
        assert run(7, 41, 3) == 42
        assert run.number("h", key8(7)) == 42
        assert run(7, 5, 1) == (-17) & 0xFFFFFFFF  # EEXIST
        assert run(7, 0, 2) == 0
        assert run(7, 0, 2) == (-2) & 0xFFFFFFFF  # ENOENT


@pytest.mark.parametrize("method", ["increment", "atomic_increment"])
def test_increments_make_entries_of_hash_tables_only(method):
    text = "struct k { u32 a; u32 b; }; BPF_HASH(h, struct k); BPF_ARRAY(a, u32, 4); BPF_HISTOGRAM(d);"
    text += 'BPF_TABLE("lru_hash", u64, u64, lru, 8);'
    body = f"""
        struct k k = {{.a = 1, .b = ctx->args[0]}};
        h.{method}(k); h.{method}(k, 10); a.{method}(2, 3); a.{method}(9);
        d.{method}(bpf_log2l(1000)); lru.{method}(ctx->args[0]);
        return 0;
    """
    with raw(text, body) as run:
        run(5)
        run(5)
        assert run.number("h", pack("<II", 1, 5)) == 22
        assert run.number("a", 2, 4) == 6
        assert run.number("d", 10) == 2
        assert list(run.maps["lru"].keys()) == []
        assert run.maps["h"].spec.type == "hash"
        assert run.maps["d"].spec.type == "array"


def test_lookup_or_try_init_and_lookup_or_init():
    body = """
        u64 k = ctx->args[0], zero = 100, *p;
        if (ctx->args[1]) p = h.lookup_or_init(&k, &zero);
        else { p = h.lookup_or_try_init(&k, &zero); if (!p) return 7; }
        *p += 1;
        return *p;
    """
    with raw("BPF_HASH(h, u64, u64, 1);", body) as run:
        assert [run(1, 0), run(1, 0), run(1, 1)] == [101, 102, 103]
        # No room for a second key: one returns from the function, the other gives NULL.
        assert run(2, 1) == 0
        assert run(2, 0) == 7


def test_per_cpu_tables_have_a_value_for_each_cpu():
    with raw("BPF_PERCPU_ARRAY(a, u64, 2);", "a.increment(1, 5); return 0;") as run:
        run()
        run()
        values = run.maps["a"].lookup_cpus(1)
        assert sum(int.from_bytes(each[:8], "little") for each in values) == 10


def test_queues_and_stacks():
    body = """
        u32 v = ctx->args[0], out = 0;
        q.push(&v, 0); v += 1; q.push(&v); v += 1; s.push(&v); v += 1; s.push(&v);
        q.peek(&out); u64 sum = out; q.pop(&out); sum = sum * 100 + out; q.pop(&out); sum = sum * 100 + out;
        s.pop(&out); sum = sum * 100 + out;
        return sum;
    """
    with raw("BPF_QUEUE(q, u32, 8); BPF_STACK(s, u32, 8, 0);", body) as run:
        assert run(10) == 10101113


def test_maps_of_maps_and_helpers_on_what_is_inside():
    text = 'BPF_ARRAY(model, u32, 4); BPF_ARRAY_OF_MAPS(outer, "model", 2);'
    body = """
        int k = 1, at = 2; u32 *v;
        void *inner = outer.lookup(&k);
        if (!inner) return 100;
        v = bpf_map_lookup_elem(inner, &at);
        return v ? (*v)++ : 200;
    """
    with raw(text, body) as run:
        assert run() == 100
        run.maps["outer"].update(1, pack("<I", run.maps["model"].fd.fileno()))
        assert [run(), run()] == [0, 1]
        assert run.number("model", 2, 4) == 2


def test_ring_buffers_count_what_they_lose():
    text = "struct e { u64 a; char pad[1000]; }; BPF_RINGBUF_OUTPUT(first, 1); BPF_RINGBUF_OUTPUT(second, 1);"
    body = """
        struct e *e = second.ringbuf_reserve(sizeof(struct e));
        if (!e) return 1;
        e->a = ctx->args[0];
        second.ringbuf_submit(e, 0);
        u64 x = 3;
        return first.ringbuf_output(&x, sizeof(x), 0) < 0;
    """
    with raw(text, body) as run:
        results = [run(n) for n in range(6)]
        assert results == [0, 0, 0, 0, 1, 1]
        lost = [run.maps["syscast_lost"].lookup_cpus(ring) for ring in (0, 1)]
        sums = [sum(int.from_bytes(each[:8], "little") for each in ring) for ring in lost]
        assert sums == [0, 2]
        assert run.meta["second"].event.name == "struct e"
        assert run.meta["first"].event.name == "u64"
        assert run.meta["first"].max_entries == os.sysconf("SC_PAGESIZE")


def test_methods_work_in_macros_and_in_functions():
    text = """
        BPF_HASH(h, u32, u64);
        #define COUNT(table, key) do { u32 _k = (key); table.increment(_k); } while (0)
        static inline u64 *find(u32 key) { return h.lookup(&key); }
    """
    body = "COUNT(h, ctx->args[0]); u64 *p = find(ctx->args[0]); return p ? *p : 99;"
    with raw(text, body) as run:
        assert [run(3), run(3), run(4)] == [1, 2, 1]


def test_types_of_keys_and_leaves():
    text = "struct k { u16 a; u8 b; }; BPF_HASH(h, struct k, u8);"
    body = "typeof(h.key) k = {.a = 5}; typeof(h.leaf) v = 300; h.update(&k, &v); return sizeof(k) * 1000 + v;"
    with raw(text, body) as run:
        assert run() == 4044


# ---------------------------------------------------------------- helpers and builtins


def test_logarithms_are_bccs():
    body = "return bpf_log2l(ctx->args[0]) * 1000 + bpf_log2(ctx->args[0]);"
    with raw("", body) as run:
        numbers = [0, 1, 2, 3, 4, 255, 256, (1 << 32) - 1, 1 << 32, (1 << 64) - 1]
        want = [max(0, each.bit_length() - 1) + 1 for each in numbers]
        low = [max(0, (each & 0xFFFFFFFF).bit_length() - 1) for each in numbers]
        assert [run(each) for each in numbers] == [
            a * 1000 + b for a, b in zip(want, low, strict=True)
        ]


def test_byte_order():
    body = """
        u16 a = htons(ctx->args[0]); u32 b = ntohl(ctx->args[0]); u64 c = bpf_cpu_to_be64(ctx->args[0]);
        switch (a) { case htons(0x1234): return 1; case htons(2): return b == 0x02000000 && c == 2ULL << 56; }
        return 9;
    """
    with raw("", body) as run:
        assert [run(0x1234), run(2), run(3)] == [1, 1, 9]


def test_memory_functions():
    body = """
        char a[40], b[40]; u64 n = ctx->args[0];
        memset(a, 0, sizeof(a)); memset(b, 'x', 8); memcpy(a, b, 8); a[0] = n;
        if (memcmp(a + 1, b + 1, 7)) return 100;
        return memcmp(a, b, 8) + 1000;
    """
    with raw("", body) as run:
        assert [run(ord("x")), run(ord("y")), run(ord("a"))] == [1000, 1001, 1000 - 23]


def test_atomic_additions():
    text = "BPF_ARRAY(a, u64, 1);"
    body = "int k = 0; u64 *p = a.lookup(&k); if (p) { lock_xadd(p, 5); __sync_fetch_and_add(p, 2); } return 0;"
    with raw(text, body) as run:
        run()
        assert run.number("a", 0) == 7


@pytest.mark.parametrize(
    ("expression", "result", "left"),
    [
        ("__sync_fetch_and_add(p, 5)", 12, 17),
        ("__sync_add_and_fetch(p, 5)", 17, 17),
        ("__sync_fetch_and_sub(p, 5)", 12, 7),
        ("__sync_fetch_and_or(p, 3)", 12, 15),
        ("__sync_and_and_fetch(p, 10)", 8, 8),
        ("__sync_fetch_and_xor(p, 1)", 12, 13),
        ("__sync_lock_test_and_set(p, 99)", 12, 99),
        ("__sync_val_compare_and_swap(p, 12, 5)", 12, 5),
        ("__sync_val_compare_and_swap(p, 11, 5)", 12, 12),
        ("__sync_bool_compare_and_swap(p, 12, 5)", 1, 5),
        ("__sync_bool_compare_and_swap(p, 11, 5)", 0, 12),
    ],
)
def test_atomic_operations_with_a_result(expression, result, left):
    text = "BPF_ARRAY(a, u64, 1);"
    body = f"int k = 0; u64 *p = a.lookup(&k); if (!p) return 0; *p = 12; return {expression};"
    try:
        run = raw(text, body)
    except VerifierError:
        pytest.skip("this kernel has no atomic operations with a result")  # before v5.12
    with run:
        assert run() == result
        assert run.number("a", 0) == left


def test_bpf_num_cpus_is_a_constant():
    with raw("", "return bpf_num_cpus();") as run:
        assert run() == Host().possible_cpus


def test_the_running_task_is_read_through_its_pointer():
    body = """
        struct task_struct *t = (struct task_struct *)bpf_get_current_task();
        u64 id = bpf_get_current_pid_tgid();
        char comm[16]; bpf_get_current_comm(&comm, sizeof(comm));
        return t->tgid == id >> 32 && t->pid == (u32)id && comm[0] == t->comm[0] && t->group_leader->tgid == t->tgid;
    """
    with raw("", body) as run:
        assert run() == 1


def test_reads_through_wrong_pointers_give_zero():
    body = "struct task_struct *t = (struct task_struct *)ctx->args[0]; return t->pid + t->real_parent->tgid + 5;"
    with raw("", body) as run:
        assert run(0) == 5
        assert run(64) == 5


def test_constants_outside_of_functions():
    text = 'static const int primes[] = {2, 3, 5, 7}; const char word[] = "abc"; const u64 big = 1ULL << 40;'
    body = "return primes[ctx->args[0] & 3] * 1000 + word[1] + (big >> 40);"
    with raw(text, body) as run:
        assert [run(0), run(3)] == [2099, 7099]


# ---------------------------------------------------------------- packets

ETHERNET = bytes.fromhex("010203040506 0a0b0c0d0e0f 0800".replace(" ", ""))
IPV4 = bytes.fromhex("4500 0028 1234 4000 40 06 0000 7f000001 0a010203".replace(" ", ""))
TCP = bytes.fromhex("0050 1f90 00000001 00000002 5012 0400 0000 0000".replace(" ", ""))


def packets(body):
    text = f"""
        #include <bcc/proto.h>
        int run(struct __sk_buff *skb) {{
            u8 *cursor = 0;
            struct ethernet_t *eth = cursor_advance(cursor, sizeof(*eth));
            struct ip_t *ip = cursor_advance(cursor, sizeof(*ip));
            struct tcp_t *tcp = cursor_advance(cursor, sizeof(*tcp));
            {body}
        }}
    """
    return Run(text, "sched_cls")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eth->type", 0x800),
        ("eth->dst", 0x010203040506),
        ("eth->src", 0x0A0B0C0D0E0F),
        ("ip->ver", 4),
        ("ip->hlen", 5),
        ("ip->tlen", 40),
        ("ip->df", 1),
        ("ip->mf", 0),
        ("ip->foffset", 0),
        ("ip->src", 0x7F000001),
        ("ip->dst", 0x0A010203),
        ("tcp->dst_port", 0x1F90),
        ("tcp->offset", 5),
        ("tcp->flag_ack", 1),
        ("tcp->flag_syn", 1),
        ("tcp->flag_fin", 0),
        ("tcp->rcv_wnd", 0x400),
        ("load_byte(skb, 14)", 0x45),
        ("load_half(skb, 12)", 0x800),
        ("load_word(skb, 26)", 0x7F000001),
        ("load_dword(skb, 26)", 0x7F0000010A010203),
        ("bpf_dext_pkt(skb, 14, 4, 4)", 5),
    ],
)
def test_fields_of_packets_are_in_host_order(field, value):
    with packets(f"return {field} == {value}ULL;") as run:
        assert run.packet(ETHERNET + IPV4 + TCP).retval == 1


def test_fields_of_packets_can_be_written():
    body = "ip->ttl = 3; eth->src = 0x112233445566; ip->df = 0; ip->foffset = 0x123; tcp->flag_fin = 1; ip->dst = 9; return 0;"
    with packets(body) as run:
        data = run.packet(ETHERNET + IPV4 + TCP).data
    assert data[6:12] == bytes.fromhex("112233445566")
    assert data[14 + 6 : 14 + 8] == bytes.fromhex("0123")
    assert data[14 + 8] == 3
    assert data[14 + 16 : 14 + 20] == bytes.fromhex("00000009")
    assert data[34 + 12 : 34 + 14] == bytes.fromhex("5013")


def test_checksums_follow_a_change():
    body = "u32 old = ip->dst, new = 0x0a010204; ip->dst = new; incr_cksum_l3(24, old, new); return 0;"
    with packets(body) as run:
        data = run.packet(ETHERNET + with_checksum(IPV4) + TCP).data
    header = data[14:34]
    assert header[16:] == bytes.fromhex("0a010204")
    assert header == with_checksum(header)


def with_checksum(header):
    plain = header[:10] + b"\0\0" + header[12:]
    total = sum(unpack(">10H", plain))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return plain[:10] + pack(">H", ~total & 0xFFFF) + plain[12:]


def test_a_packet_that_is_too_short_ends_the_program():
    with packets("return tcp->src_port + 1;") as run:
        assert run.packet(ETHERNET + IPV4).retval == 0


# ---------------------------------------------------------------- programs and the cache


def test_every_program_of_a_text_is_loaded_by_its_name():
    text = """
        BPF_HASH(h, u32, u64);
        int kprobe__inet_listen(struct pt_regs *ctx, struct socket *sock, int backlog) { return sock->sk->sk_max_ack_backlog + backlog; }
        int kretprobe__inet_listen(struct pt_regs *ctx) { return PT_REGS_RC(ctx); }
        int by_hand(struct pt_regs *ctx) { u32 k = 1; h.increment(k); return 0; }
        RAW_TRACEPOINT_PROBE(sched_switch) { struct task_struct *p = (struct task_struct *)ctx->args[1]; return p->pid; }
    """
    spec = compile_c(text, surroundings=Host()).spec
    assert [(each.name, each.section, each.type) for each in spec.programs] == [
        ("kprobe__inet_listen", "kprobe/inet_listen", "kprobe"),
        ("kretprobe__inet_listen", "kretprobe/inet_listen", "kprobe"),
        ("by_hand", "?c/by_hand", "kprobe"),
        ("raw_tracepoint__sched_switch", "raw_tp/sched_switch", "raw_tracepoint"),
    ]
    for each in spec.programs:
        alone = msgspec.structs.replace(spec, programs=(each,))
        load(alone, overrides={each.name: each}).close()


def test_a_text_without_programs_has_tables():
    spec = compile_c("BPF_HASH(h); BPF_ARRAY(a, u32, 2);", surroundings=Host()).spec
    loaded = load(spec)
    assert set(loaded.maps) == {"h", "a"}
    loaded.close()


def test_more_than_three_values_are_printed_where_the_kernel_can():
    body = 'bpf_trace_printk("%d %d %d %d %s\\n", 1, 2, 3, 4, "five"); return 0;'
    if not Host().has_helper("trace_vprintk"):
        pytest.skip("this kernel has no bpf_trace_vprintk")
    with raw("", body) as run:
        assert run() == 0
