// examples/slow_reads.py by fentry and fexit: the time of a call, a decision, a string behind a walk.
#include "twin.bpf.h"

struct record {
	struct header header;
	char name[128];
	__u64 inode;
	__s64 ret;
	__u64 ns;
};

struct call {
	struct file *file;
	__u64 start;
};

SCRATCH(record, 2)
CALLS(call)

SEC("fentry/vfs_read")
int BPF_PROG(vfs_read_entry, struct file *file)
{
	struct call_key key;
	struct call call;
	__u64 id = bpf_get_current_pid_tgid();
	struct row *row = row_of(0);

	if (!row)
		return 0;
	if (is_filtered(id)) {
		row->ran += 1;
		row->filtered += 1;
		return 0;
	}
	call.file = file;
	call.start = now();
	call_key(&key, ctx, id);
	if ((int)bpf_map_update_elem(&calls, &key, &call, BPF_ANY) < 0) {
		row->ran += 1;
		row->tried += 1;
		row->dropped += 1;
	}
	return 0;
}

SEC("fexit/vfs_read")
int BPF_PROG(vfs_read_exit, struct file *file_, char *buf, size_t count, loff_t *pos, ssize_t ret)
{
	struct record *record, *staged;
	struct dentry *dentry;
	struct inode *inode;
	struct call_key key;
	struct call *call;
	struct file *file;
	const void *name;
	__u64 id = bpf_get_current_pid_tgid();
	struct row *row = row_of(1);
	__u64 start, ns, ino;
	__u32 one = 1;

	if (!row)
		return 0;
	staged = bpf_map_lookup_elem(&scratch, &one);
	if (!staged)
		return 0;
	call_key(&key, ctx, id);
	call = bpf_map_lookup_elem(&calls, &key);
	if (!call)
		return 0;
	file = call->file;
	start = call->start;
	bpf_map_delete_elem(&calls, &key);
	row->ran += 1;
	ns = now() - start;
	if (ns < 1000000) {
		row->filtered += 1;
		return 0;
	}
	if (BPF_CORE_READ_INTO(&dentry, file, f_path.dentry) ||
	    BPF_CORE_READ_INTO(&name, dentry, d_name.name))
		return failed(row, 0);
	__builtin_memset(staged->name, 0, sizeof(staged->name));
	if (bpf_probe_read_kernel_str(staged->name, sizeof(staged->name), name) < 0)
		return failed(row, 0);
	if (BPF_CORE_READ_INTO(&inode, file, f_inode) ||
	    BPF_CORE_READ_INTO(&ino, inode, i_ino))
		return failed(row, 1);
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	bpf_probe_read_kernel(record->name, sizeof(record->name), staged->name);
	record->inode = ino;
	record->ret = ret;
	record->ns = ns;
	fill_header(&record->header, row, id, 0, 1);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
