// Programs that the verifier refuses, one by one. Rebuild with:
//   clang -O2 -g -fdebug-compilation-dir=. -target bpf -mcpu=v3 -c refused.bpf.c -o refused.bpf.o && llvm-strip -g refused.bpf.o
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} numbers SEC(".maps");

struct task_struct {
	int pid;
	int no_such_field;
} __attribute__((preserve_access_index));

SEC("?raw_tp/sys_enter")
int maybe_null(void *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&numbers, &key);

	return *value;
}

SEC("?raw_tp/sys_enter")
int out_of_bounds(void *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&numbers, &key);

	if (!value)
		return 0;
	return value[3];
}

SEC("?raw_tp/sys_enter")
int unbounded(void *ctx)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&numbers, &key);

	if (!value)
		return 0;
	return value[bpf_get_prandom_u32()];
}

SEC("?raw_tp/sys_enter")
int not_a_pointer(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return *(volatile int *)task;
}

SEC("?raw_tp/sys_enter")
int missing_field(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, no_such_field);
}

SEC("?socket")
int wrong_helper(void *ctx)
{
	return bpf_override_return(ctx, 1);
}

SEC("?raw_tp/sys_enter")
int endless(void *ctx)
{
	__u64 sum = 0;

	while (bpf_get_prandom_u32() != 7)
		sum++;
	return sum;
}
