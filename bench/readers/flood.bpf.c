// What the comparison traces, as a user of libbpf would write it: one record for each getppid(2) of a process.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u64 time, cgroup;
	__u32 pid, tid, cpu, value;
	char comm[16];
};

const volatile __u32 traced = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

static __always_inline int record(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct event *e;

	if (traced && id >> 32 != traced)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof *e, 0);
	if (!e)
		return 0;
	e->time = bpf_ktime_get_ns();
	e->cgroup = bpf_get_current_cgroup_id();
	e->pid = id >> 32;
	e->tid = id;
	e->cpu = bpf_get_smp_processor_id();
	e->value = 110;
	bpf_get_current_comm(e->comm, sizeof e->comm);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int by_call(void *ctx)
{
	return record();
}

SEC("?socket")
int by_test_run(void *ctx)
{
	return record();
}
