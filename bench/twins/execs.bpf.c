// examples/execs.py: a string of the kernel, numbers, a walk from the running task.
#include "twin.bpf.h"

struct record {
	struct header header;
	char path[256];
	__u32 argc, parent;
};

SCRATCH(record, 1)

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task, *parent;
	struct record *record, *staged;
	__u32 zero = 0, ppid;
	int argc;

	BEGIN(0)
	staged = bpf_map_lookup_elem(&scratch, &zero);
	if (!staged)
		return 0;
	__builtin_memset(staged->path, 0, sizeof(staged->path));
	if (bpf_probe_read_kernel_str(staged->path, sizeof(staged->path), bprm->filename) < 0)
		return failed(row, 0);
	argc = bprm->argc;
	task = (void *)bpf_get_current_task();
	if (BPF_CORE_READ_INTO(&parent, task, real_parent) ||
	    BPF_CORE_READ_INTO(&ppid, parent, tgid))
		return failed(row, 1);
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	bpf_probe_read_kernel(record->path, sizeof(record->path), staged->path);
	record->argc = argc;
	record->parent = ppid;
	fill_header(&record->header, row, id, 0, 0);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
