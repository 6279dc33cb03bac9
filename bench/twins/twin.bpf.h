// What every probe of syscast does besides its own work, in C with libbpf's conventions. A twin does all
// of it too, since a user sees it: the filters of `attach` in frozen read-only data, one ledger row
// for each program, a counter for each place where a read may fail, numbered records with the whole header, one ring or one for each
// CPU, which become perf buffers on kernels without bpf_ringbuf_reserve, sampling, and wake-ups only where the reader has not promised to look. What a twin has not: checks of arithmetic that does not fit its type.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define FILTER_PID 1
#define FILTER_TID 2
#define FILTER_UID 4
#define FILTER_COMM 8
#define FILTER_NETNS 16
#define FILTER_CGROUP 32
#define FILTER_FOLLOW 64

#define DELIVER_ALWAYS 1
#define DELIVER_NEVER 2
#define DELIVER_ADAPTIVE 4
#define RINGS_PER_CPU 8
#define RINGS_AUTO 16
#define PRESSURE_SAMPLE 32

const volatile struct {
	__u32 flags, pid, tid, uid, netns, delivery;
	__u64 comm[2];
} settings = {};

struct header {
	__u64 time, number, cgroup;
	__u32 pid, tid;
	__u16 schema, program;
	__u32 cpu;
	char comm[16];
};

struct row {
	__u64 ran, filtered, raised, tried, dropped, discarded, unreturned, limited, sampled;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} shards SEC(".maps");

struct control {
	__u64 awake_until;
	__u32 keep_one_in, sharded;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct row);
	__uint(max_entries, 2);
} ledger SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} raised SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u8);
	__uint(max_entries, 16384);
} followed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} cgroups SEC(".maps");

#define has_helper(name) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##name)

static __always_inline __u64 now(void)
{
	return has_helper(ktime_get_boot_ns) ? bpf_ktime_get_boot_ns() : bpf_ktime_get_ns();
}

static __always_inline struct row *row_of(__u32 program)
{
	return bpf_map_lookup_elem(&ledger, &program);
}

static __always_inline bool other_comm(void)
{
	__u64 comm[2] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] != settings.comm[0] || comm[1] != settings.comm[1];
}

static __always_inline bool not_followed(__u32 pid)
{
	return !bpf_map_lookup_elem(&followed, &pid);
}

static __always_inline __u32 netns(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
}

static __always_inline bool is_filtered(__u64 id)
{
	__u32 flags = settings.flags;

	if (!flags)
		return false;
	return (flags & FILTER_PID && id >> 32 != settings.pid) ||
	       (flags & FILTER_TID && (__u32)id != settings.tid) ||
	       (flags & FILTER_FOLLOW && not_followed(id >> 32)) ||
	       (flags & FILTER_UID && (__u32)bpf_get_current_uid_gid() != settings.uid) ||
	       (flags & FILTER_COMM && other_comm()) ||
	       (flags & FILTER_CGROUP && bpf_current_task_under_cgroup(&cgroups, 0) != 1) ||
	       (flags & FILTER_NETNS && netns() != settings.netns);
}

// A read failed: no event, one count at its place.
static __always_inline int failed(struct row *row, __u32 place)
{
	__u64 *counter = bpf_map_lookup_elem(&raised, &place);

	if (counter)
		*counter += 1;
	row->raised += 1;
	return 0;
}

static __always_inline struct control *control_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

// One event of so many is kept, spread evenly.
static __always_inline bool sampled_out(struct row *row)
{
	struct control *told;
	__u64 place;

	if (!(settings.delivery & PRESSURE_SAMPLE))
		return false;
	told = control_of();
	if (!told)
		return false;
	place = row->tried + row->sampled + row->limited;
	if ((__u64)(__u32)(place * 0x9E3779B1) * told->keep_one_in < 1ULL << 32)
		return false;
	row->sampled += 1;
	return true;
}

static __always_inline bool ring_of_cpu(void)
{
	struct control *told;

	if (settings.delivery & RINGS_PER_CPU)
		return true;
	if (!(settings.delivery & RINGS_AUTO))
		return false;
	told = control_of();
	return told && told->sharded;
}

// A record of `size` bytes in a ring, or the scratch memory where the kernel has no ring.
static __always_inline void *reserve(struct row *row, void *scratch, __u64 size)
{
	void *record;

	if (sampled_out(row))
		return NULL;
	if (has_helper(ringbuf_reserve)) {
		__u32 cpu;
		void *ring = NULL;

		if (ring_of_cpu()) {
			cpu = bpf_get_smp_processor_id();
			ring = bpf_map_lookup_elem(&shards, &cpu);
		}
		if (ring)
			record = bpf_ringbuf_reserve(ring, size, 0);
		else
			record = bpf_ringbuf_reserve(&events, size, 0);
	} else {
		record = scratch;
	}
	if (!record) {
		row->tried += 1;
		row->dropped += 1;
	}
	return record;
}

static __always_inline void fill_header(struct header *header, struct row *row, __u64 id,
					__u16 schema, __u16 program)
{
	header->number = row->tried++;
	header->pid = id >> 32;
	header->tid = id;
	header->schema = schema;
	header->program = program;
	header->time = now();
	header->cgroup = bpf_get_current_cgroup_id();
	header->cpu = bpf_get_smp_processor_id();
	__builtin_memset(header->comm, 0, sizeof(header->comm));
	bpf_get_current_comm(header->comm, sizeof(header->comm));
}

static __always_inline __u64 wake(struct header *header)
{
	__u64 flags = 0;

	if (settings.delivery & DELIVER_ADAPTIVE) {
		struct control *told = control_of();

		return told && header->time < told->awake_until ? BPF_RB_NO_WAKEUP : 0;
	}
	if (settings.delivery & DELIVER_ALWAYS)
		flags = BPF_RB_FORCE_WAKEUP;
	if (settings.delivery & DELIVER_NEVER)
		flags = BPF_RB_NO_WAKEUP;
	return flags;
}

static __always_inline void submit(void *ctx, struct row *row, void *record, __u64 size)
{
	if (has_helper(ringbuf_reserve))
		bpf_ringbuf_submit(record, wake(record));
	else if (bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, record, size) < 0)
		row->dropped += 1;
}

// One run of a probe that is one program: found its row, counted, filtered.
#define BEGIN(program)                                  \
	__u64 id = bpf_get_current_pid_tgid();          \
	struct row *row = row_of(program);              \
	if (!row)                                       \
		return 0;                               \
	row->ran += 1;                                  \
	if (is_filtered(id)) {                          \
		row->filtered += 1;                     \
		return 0;                               \
	}

#define SCRATCH(what, count)                            \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);\
		__type(key, __u32);                     \
		__type(value, struct what);             \
		__uint(max_entries, count);             \
	} scratch SEC(".maps");

// What a call keeps from its entry to its exit, by task and by frame.
struct call_key {
	__u64 task, frame, tgid;
};

static __always_inline void call_key(struct call_key *key, void *ctx, __u64 id)
{
	key->task = bpf_get_current_task();
	key->frame = (__u64)ctx;
	key->tgid = id & 0xffffffff00000000;
}

#define CALLS(what)                                     \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_HASH);        \
		__type(key, struct call_key);           \
		__type(value, struct what);             \
		__uint(max_entries, 16384);             \
	} calls SEC(".maps");
