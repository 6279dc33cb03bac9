// examples/syscalls.py: a counter for each command, in a map that can be exchanged for an empty one.
#include "twin.bpf.h"

struct counts {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, char[16]);
	__type(value, __u64);
	__uint(max_entries, 10240);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct counts);
} calls SEC(".maps") = { .values = { &counts } };

SEC("tp_btf/sys_enter")
int BPF_PROG(sys_enter, struct pt_regs *regs, long number)
{
	__u32 zero_key = 0;
	char comm[16] = {};
	void *in_use;
	__u64 *count;

	BEGIN(0)
	bpf_get_current_comm(comm, sizeof(comm));
	in_use = bpf_map_lookup_elem(&calls, &zero_key);
	if (!in_use)
		return failed(row, 0);
	count = bpf_map_lookup_elem(in_use, comm);
	if (!count) {
		__u64 zero = 0;

		bpf_map_update_elem(in_use, comm, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(in_use, comm);
		if (!count)
			return failed(row, 0);
	}
	__sync_fetch_and_add(count, 1);
	row->filtered += 1; // a run without an event
	return 0;
}
