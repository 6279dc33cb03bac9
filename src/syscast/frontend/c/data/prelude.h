/* Words of the bcc dialect that are macros. Put in front of every text.
 *
 * A table is a variable whose section says what it is: maps/KIND[:PIN][$INNER]. Its type has the
 * members key and leaf (so that typeof(t.leaf) works); its initialiser gives size and flags.
 * Words that are functions are in frontend/c/builtins.py; their C bodies, where they have one, in
 * library.h.
 */

#define SEC(name) __attribute__((section(name)))
#define CUR_CPU_IDENTIFIER BPF_F_CURRENT_CPU

/* ---- flags of helpers and maps: uapi/linux/bpf.h. They are enumerators there, of enums that BTF
 * before v6.0 cannot hold, since some have 64 bits. */
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_EXIST 2
#define BPF_F_NO_PREALLOC 1U
#define BPF_F_NO_COMMON_LRU 2U
#define BPF_F_SKIP_FIELD_MASK 0xffULL
#define BPF_F_USER_STACK 256ULL
#define BPF_F_FAST_STACK_CMP 512ULL
#define BPF_F_REUSE_STACKID 1024ULL
#define BPF_F_USER_BUILD_ID 2048ULL
#define BPF_F_STACK_BUILD_ID 32U
#define BPF_F_INDEX_MASK 0xffffffffULL
#define BPF_F_CURRENT_CPU 0xffffffffULL
#define BPF_F_CTXLEN_MASK 0xfffff00000000ULL
#define BPF_F_RECOMPUTE_CSUM 1ULL
#define BPF_F_INVALIDATE_HASH 2ULL
#define BPF_F_HDR_FIELD_MASK 0xfULL
#define BPF_F_PSEUDO_HDR 16ULL
#define BPF_F_MARK_MANGLED_0 32ULL
#define BPF_F_INGRESS 1ULL
#define BPF_RB_NO_WAKEUP 1ULL
#define BPF_RB_FORCE_WAKEUP 2ULL
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_RING_SIZE 1
#define BPF_RB_CONS_POS 2
#define BPF_RB_PROD_POS 3
#define BPF_MAX_STACK_DEPTH 127

#define MASK(bits) ((1ULL << (bits)) - 1)
#define BPF_LICENSE GPL
#define __sc_text(...) __sc_plain_text(__VA_ARGS__)
#define __sc_plain_text(...) #__VA_ARGS__

struct bpf_stacktrace {
	u64 ip[BPF_MAX_STACK_DEPTH];
};
struct bpf_stacktrace_buildid {
	struct {
		s32 status;
		unsigned char build_id[20];
		union {
			u64 offset;
			u64 ip;
		};
	} trace[BPF_MAX_STACK_DEPTH];
};

/* ---- tables */
#define __sc_table(kind, key_t, leaf_t, name, entries, bits) \
	__attribute__((section("maps/" kind))) struct name##_table_t { \
		key_t key; \
		leaf_t leaf; \
		unsigned int max_entries; \
		int flags; \
	} name = { .max_entries = (entries), .flags = (bits) }
#define __sc_table_alone(kind, leaf_t, name, entries, bits) \
	__attribute__((section("maps/" kind))) struct name##_table_t { \
		leaf_t leaf; \
		unsigned int max_entries; \
		int flags; \
	} name = { .max_entries = (entries), .flags = (bits) }

#define __sc_nth5(a, b, c, d, e, n, ...) n
#define __sc_nth7(a, b, c, d, e, f, g, n, ...) n

#define BPF_F_TABLE(kind, key_t, leaf_t, name, entries, bits) __sc_table(kind, key_t, leaf_t, name, entries, bits)
#define BPF_TABLE(kind, key_t, leaf_t, name, entries) __sc_table(kind, key_t, leaf_t, name, entries, 0)
#define BPF_TABLE_PUBLIC(kind, key_t, leaf_t, name, entries) \
	__sc_table(kind "!export", key_t, leaf_t, name, entries, 0)
#define __sc_shared5(kind, key_t, leaf_t, name, entries) __sc_table(kind "!shared", key_t, leaf_t, name, entries, 0)
#define __sc_shared6(kind, key_t, leaf_t, name, entries, bits) __sc_table(kind "!shared", key_t, leaf_t, name, entries, bits)
#define BPF_TABLE_SHARED(...) __sc_nth7(__VA_ARGS__, 0, __sc_shared6, __sc_shared5, 0)(__VA_ARGS__)
#define __sc_pinned6(kind, key_t, leaf_t, name, entries, pin) __sc_table(kind ":" pin, key_t, leaf_t, name, entries, 0)
#define __sc_pinned7(kind, key_t, leaf_t, name, entries, pin, bits) __sc_table(kind ":" pin, key_t, leaf_t, name, entries, bits)
#define BPF_TABLE_PINNED(...) __sc_nth7(__VA_ARGS__, __sc_pinned7, __sc_pinned6, 0)(__VA_ARGS__)

#define __sc_hash1(kind, name) __sc_table(kind, u64, u64, name, 10240, 0)
#define __sc_hash2(kind, name, key_t) __sc_table(kind, key_t, u64, name, 10240, 0)
#define __sc_hash3(kind, name, key_t, leaf_t) __sc_table(kind, key_t, leaf_t, name, 10240, 0)
#define __sc_hash4(kind, name, key_t, leaf_t, entries) __sc_table(kind, key_t, leaf_t, name, entries, 0)
#define __sc_hash(kind, ...) __sc_nth5(__VA_ARGS__, 0, __sc_hash4, __sc_hash3, __sc_hash2, __sc_hash1, 0)(kind, __VA_ARGS__)
#define BPF_HASH(...) __sc_hash("hash", __VA_ARGS__)
#define BPF_PERCPU_HASH(...) __sc_hash("percpu_hash", __VA_ARGS__)
#define BPF_LRU_HASH(...) __sc_hash("lru_hash", __VA_ARGS__)
#define BPF_LRU_PERCPU_HASH(...) __sc_hash("lru_percpu_hash", __VA_ARGS__)

#define __sc_array1(kind, name) __sc_table(kind, int, u64, name, 10240, 0)
#define __sc_array2(kind, name, leaf_t) __sc_table(kind, int, leaf_t, name, 10240, 0)
#define __sc_array3(kind, name, leaf_t, entries) __sc_table(kind, int, leaf_t, name, entries, 0)
#define __sc_array(kind, ...) __sc_nth5(__VA_ARGS__, 0, 0, __sc_array3, __sc_array2, __sc_array1, 0)(kind, __VA_ARGS__)
#define BPF_ARRAY(...) __sc_array("array", __VA_ARGS__)
#define BPF_PERCPU_ARRAY(...) __sc_array("percpu_array", __VA_ARGS__)

#define __sc_histogram1(name) __sc_table("histogram", int, u64, name, 64, 0)
#define __sc_histogram2(name, key_t) __sc_table("histogram", key_t, u64, name, 64, 0)
#define __sc_histogram3(name, key_t, entries) __sc_table("histogram", key_t, u64, name, entries, 0)
#define BPF_HISTOGRAM(...) __sc_nth5(__VA_ARGS__, 0, 0, __sc_histogram3, __sc_histogram2, __sc_histogram1, 0)(__VA_ARGS__)

#define __sc_trie1(name) __sc_table("lpm_trie", u64, u64, name, 10240, BPF_F_NO_PREALLOC)
#define __sc_trie2(name, key_t) __sc_table("lpm_trie", key_t, u64, name, 10240, BPF_F_NO_PREALLOC)
#define __sc_trie3(name, key_t, leaf_t) __sc_table("lpm_trie", key_t, leaf_t, name, 10240, BPF_F_NO_PREALLOC)
#define __sc_trie4(name, key_t, leaf_t, entries) __sc_table("lpm_trie", key_t, leaf_t, name, entries, BPF_F_NO_PREALLOC)
#define BPF_LPM_TRIE(...) __sc_nth5(__VA_ARGS__, 0, __sc_trie4, __sc_trie3, __sc_trie2, __sc_trie1, 0)(__VA_ARGS__)

#define BPF_STACK_TRACE(name, entries) __sc_table("stacktrace", int, struct bpf_stacktrace, name, entries, 0)
#define BPF_STACK_TRACE_BUILDID(name, entries) \
	__sc_table("stacktrace", int, struct bpf_stacktrace_buildid, name, entries, BPF_F_STACK_BUILD_ID)

#define BPF_PERF_OUTPUT(name) __sc_table("perf_output", int, u32, name, 0, 0)
#define BPF_RINGBUF_OUTPUT(name, pages) __sc_table("ringbuf", int, u32, name, pages, 0)
#define BPF_PERF_ARRAY(name, entries) __sc_table("perf_array", int, u32, name, entries, 0)
#define BPF_CGROUP_ARRAY(name, entries) __sc_table("cgroup_array", int, u32, name, entries, 0)
#define BPF_PROG_ARRAY(name, entries) __sc_table("prog", u32, u32, name, entries, 0)
#define BPF_DEVMAP(name, entries) __sc_table("devmap", u32, int, name, entries, 0)
#define BPF_CPUMAP(name, entries) __sc_table("cpumap", u32, u32, name, entries, 0)
#define __sc_xskmap2(name, entries) __sc_table("xskmap", u32, int, name, entries, 0)
#define __sc_xskmap3(name, entries, pin) __sc_table("xskmap:" pin, u32, int, name, entries, 0)
#define BPF_XSKMAP(...) __sc_nth5(__VA_ARGS__, 0, 0, __sc_xskmap3, __sc_xskmap2, 0)(__VA_ARGS__)

#define BPF_QUEUESTACK4(kind, name, leaf_t, entries) __sc_table_alone(kind, leaf_t, name, entries, 0)
#define BPF_QUEUESTACK5(kind, name, leaf_t, entries, bits) __sc_table_alone(kind, leaf_t, name, entries, bits)
#define BPF_QUEUESTACK(...) __sc_nth5(__VA_ARGS__, BPF_QUEUESTACK5, BPF_QUEUESTACK4, 0)(__VA_ARGS__)
#define BPF_QUEUE(...) BPF_QUEUESTACK("queue", __VA_ARGS__)
#define BPF_STACK(...) BPF_QUEUESTACK("stack", __VA_ARGS__)
#define BPF_QUEUESTACK_PUBLIC(kind, name, leaf_t, entries, bits) __sc_table_alone(kind "!export", leaf_t, name, entries, bits)
#define BPF_QUEUESTACK_SHARED(kind, name, leaf_t, entries, bits) __sc_table_alone(kind "!shared", leaf_t, name, entries, bits)
#define BPF_QUEUESTACK_PINNED(kind, name, leaf_t, entries, bits, pin) __sc_table_alone(kind ":" pin, leaf_t, name, entries, bits)

#define BPF_ARRAY_OF_MAPS(name, inner, entries) __sc_table("array_of_maps$" inner, int, int, name, entries, 0)
#define __sc_maps2(name, inner) __sc_table("hash_of_maps$" inner, int, int, name, 10240, 0)
#define __sc_maps3(name, key_t, inner) __sc_table("hash_of_maps$" inner, key_t, int, name, 10240, 0)
#define __sc_maps4(name, key_t, inner, entries) __sc_table("hash_of_maps$" inner, key_t, int, name, entries, 0)
#define BPF_HASH_OF_MAPS(...) __sc_nth5(__VA_ARGS__, 0, __sc_maps4, __sc_maps3, __sc_maps2, 0)(__VA_ARGS__)

#define BPF_SK_STORAGE(name, leaf_t) __sc_table("sk_storage", int, leaf_t, name, 0, BPF_F_NO_PREALLOC)
#define BPF_INODE_STORAGE(name, leaf_t) __sc_table("inode_storage", int, leaf_t, name, 0, BPF_F_NO_PREALLOC)
#define BPF_TASK_STORAGE(name, leaf_t) __sc_table("task_storage", int, leaf_t, name, 0, BPF_F_NO_PREALLOC)
#define BPF_CGROUP_STORAGE(name, leaf_t) __sc_table("cgroup_storage", struct bpf_cgroup_storage_key, leaf_t, name, 0, 0)
#define BPF_PERCPU_CGROUP_STORAGE(name, leaf_t) \
	__sc_table("percpu_cgroup_storage", struct bpf_cgroup_storage_key, leaf_t, name, 0, 0)

#define BPF_SOCKMAP(name, entries) __sc_table("sockmap", u32, u32, name, entries, 0)
#define __sc_sockhash1(name) __sc_table("sockhash", u32, int, name, 10240, 0)
#define __sc_sockhash2(name, key_t) __sc_table("sockhash", key_t, int, name, 10240, 0)
#define __sc_sockhash3(name, key_t, entries) __sc_table("sockhash", key_t, int, name, entries, 0)
#define BPF_SOCKHASH(...) __sc_nth5(__VA_ARGS__, 0, 0, __sc_sockhash3, __sc_sockhash2, __sc_sockhash1, 0)(__VA_ARGS__)

/* ---- programs; what their names mean is in programs.py */
#define TRACEPOINT_PROBE(category, event) \
	int tracepoint__##category##__##event(struct tracepoint__##category##__##event *args)
#define RAW_TRACEPOINT_PROBE(event) int raw_tracepoint__##event(struct bpf_raw_tracepoint_args *ctx)
#define BPF_PROG(name, ...) __attribute__((syscast_unpack)) int name(unsigned long long *ctx, ##__VA_ARGS__)
#define MODULE_KFUNC_PROBE(module, event, ...) BPF_PROG(kfunc__##module##__##event, ##__VA_ARGS__)
#define MODULE_KRETFUNC_PROBE(module, event, ...) BPF_PROG(kretfunc__##module##__##event, ##__VA_ARGS__)
#define KFUNC_PROBE(event, ...) MODULE_KFUNC_PROBE(vmlinux, event, ##__VA_ARGS__)
#define KRETFUNC_PROBE(event, ...) MODULE_KRETFUNC_PROBE(vmlinux, event, ##__VA_ARGS__)
#define KMOD_RET(event, ...) BPF_PROG(kmod_ret__##event, ##__VA_ARGS__)
#define LSM_PROBE(event, ...) BPF_PROG(lsm__##event, ##__VA_ARGS__)
#define BPF_ITER(target) int bpf_iter__##target(struct bpf_iter__##target *ctx)

#define TP_DATA_LOC_READ_CONST(dst, field, length) \
	do { bpf_probe_read((void *)(dst), (length), (char *)args + (args->data_loc_##field & 0xffff)); } while (0)
#define TP_DATA_LOC_READ(dst, field) \
	TP_DATA_LOC_READ_CONST(dst, field, (unsigned int)args->data_loc_##field >> 16)
#define TP_DATA_LOC_READ_STR(dst, field, length) \
	do { bpf_probe_read_str((void *)(dst), (length), (char *)args + (args->data_loc_##field & 0xffff)); } while (0)

/* ---- registers; those of each machine are in registers_*.h */
#define PT_REGS_PARM2_SYSCALL(x) PT_REGS_PARM2(x)
#define PT_REGS_PARM3_SYSCALL(x) PT_REGS_PARM3(x)
#define PT_REGS_PARM5_SYSCALL(x) PT_REGS_PARM5(x)
#define PT_REGS_PARM6_SYSCALL(x) PT_REGS_PARM6(x)

/* ---- packets */
#define cursor_advance(cursor, length) ({ void *__sc_at = (cursor); (cursor) += (length); __sc_at; })
