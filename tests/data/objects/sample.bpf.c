// A small object of what C programs for libbpf use. Rebuild with:
//   clang -O2 -g -fdebug-compilation-dir=. -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -c sample.bpf.c -o sample.bpf.o
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct event {
	__u64 time;
	__u32 pid;
	__u32 parent;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct event);
	__uint(max_entries, 128);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} seen SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} first SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &first } };

const volatile __u32 only_pid = 0;
const volatile char label[8] = "sample";
__u64 counter = 7;
__u64 zeroed[4];
static __u64 hidden_count;

extern int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig __weak;
extern _Bool CONFIG_BPF __kconfig __weak;
extern const void schedule __ksym __weak;

static __noinline long visit(__u32 index, void *context)
{
	hidden_count += index;
	return 0;
}

static __noinline int fill(struct event *event)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!event)
		return 0;
	event->time = bpf_ktime_get_ns();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->parent = BPF_CORE_READ(task, real_parent, tgid);
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	return event->pid;
}

__noinline __u64 add(__u64 one, __u64 other)
{
	return one + other + only_pid;
}

SEC("raw_tp/sys_enter")
int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct event scratch = {};
	struct event *event;

	if (only_pid && bpf_get_current_pid_tgid() >> 32 != only_pid)
		return 0;
	fill(&scratch);
	__sync_fetch_and_add(&counter, add(scratch.pid, CONFIG_HZ));
	zeroed[2] = (__u64)LINUX_KERNEL_VERSION + label[0] + CONFIG_BPF + (__u64)&schedule;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	*event = scratch;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("kprobe/inet_listen")
int BPF_KPROBE(on_listen, void *sock, int backlog)
{
	__u32 key = backlog;
	struct event value = {};

	bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
	return 0;
}

SEC("?raw_tp/sys_exit")
int on_exit(void *ctx)
{
	__u32 key = 1, zero = 0;
	__u64 *value;
	void *map = bpf_map_lookup_elem(&outer, &key);

	bpf_loop(3, visit, 0, 0);
	if (!map)
		return 0;
	value = bpf_map_lookup_elem(map, &zero);
	if (value)
		*value = add(*value, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
