// What the loader decides: perf rings or the ring buffer, kernel functions, typed symbols. Rebuild with:
//   clang -O2 -g -fdebug-compilation-dir=. -target bpf -mcpu=v3 -c flows.bpf.c -o flows.bpf.o && llvm-strip -g flows.bpf.o
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct record {
	__u64 time;
	__u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
} events SEC(".maps");

const volatile __u32 only_pid = 0;

enum bpf_func_id___old { BPF_FUNC_ringbuf_reserve___old = 131 };

SEC("raw_tp/sys_enter")
int emit(void *ctx)
{
	struct record on_stack = {}, *record;
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (pid != only_pid)
		return 0;
	if (bpf_core_enum_value_exists(enum bpf_func_id___old, BPF_FUNC_ringbuf_reserve___old)) {
		record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
		if (!record)
			return 0;
		record->time = bpf_ktime_get_ns();
		record->pid = pid;
		bpf_ringbuf_submit(record, 0);
	} else {
		on_stack.time = bpf_ktime_get_ns();
		on_stack.pid = pid;
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &on_stack, sizeof(on_stack));
	}
	return 0;
}

struct task_struct;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern void bpf_no_such_function(void) __ksym __weak;

SEC("?tp_btf/task_newtask")
int BPF_calls(__u64 *ctx)
{
	struct task_struct *task = bpf_task_acquire((void *)ctx[0]);

	if (task)
		bpf_task_release(task);
	if (bpf_no_such_function)
		bpf_no_such_function();
	return 0;
}

extern const int bpf_prog_active __ksym;
extern const int no_such_variable __ksym __weak;

SEC("?raw_tp/sys_enter")
int typed(void *ctx)
{
	const int *active = bpf_per_cpu_ptr(&bpf_prog_active, 0);

	if (&no_such_variable)
		return 2;
	return active ? *active >= 0 : 0;
}

SEC("?tp_btf/no_such_tracepoint")
int nowhere(__u64 *ctx)
{
	return 0;
}

SEC("?fentry/inet_listen")
int in_function(__u64 *ctx)
{
	return 0;
}
