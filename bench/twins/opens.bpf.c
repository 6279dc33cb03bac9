// examples/opens.py by fentry and fexit: a string of the process, read when the call returns.
#include "twin.bpf.h"

struct record {
	struct header header;
	char path[256];
	__s32 ret;
	__u8 mode, create;
	__u8 pad[2];
};

struct call {
	const char *path;
	__u64 flags;
};

SCRATCH(record, 2)
CALLS(call)

SEC("fentry/do_sys_openat2")
int BPF_PROG(openat2_entry, int dfd, const char *path, struct open_how *how)
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
	if (!how) {
		row->ran += 1;
		return failed(row, 0);
	}
	call.path = path;
	call.flags = how->flags;
	call_key(&key, ctx, id);
	if ((int)bpf_map_update_elem(&calls, &key, &call, BPF_ANY) < 0) {
		row->ran += 1;
		row->tried += 1;
		row->dropped += 1;
	}
	return 0;
}

SEC("fexit/do_sys_openat2")
int BPF_PROG(openat2_exit, int dfd, const char *path_, struct open_how *how, long ret)
{
	struct record *record, *staged;
	struct call_key key;
	struct call *call;
	const char *path;
	__u64 id = bpf_get_current_pid_tgid();
	struct row *row = row_of(1);
	__u64 flags;
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
	path = call->path;
	flags = call->flags;
	bpf_map_delete_elem(&calls, &key);
	row->ran += 1;
	__builtin_memset(staged->path, 0, sizeof(staged->path));
	if (bpf_probe_read_user_str(staged->path, sizeof(staged->path), path) < 0)
		return failed(row, 1);
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	bpf_probe_read_kernel(record->path, sizeof(record->path), staged->path);
	record->ret = ret;
	record->mode = flags & 3;
	record->create = (flags & 0100) != 0;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	fill_header(&record->header, row, id, 0, 1);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
