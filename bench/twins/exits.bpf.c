// examples/exits.py: an argument in a register, and arithmetic on it.
#include "twin.bpf.h"

struct record {
	struct header header;
	__u8 status, signal, core;
	__u8 pad[5];
};

SCRATCH(record, 1)

SEC("kprobe/do_group_exit")
int BPF_KPROBE(do_group_exit, int code)
{
	struct record *record, *staged;
	__u32 zero = 0;

	BEGIN(0)
	staged = bpf_map_lookup_elem(&scratch, &zero);
	if (!staged)
		return 0;
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	record->status = code >> 8 & 0xff;
	record->signal = code & 0x7f;
	record->core = (code & 0x80) != 0;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	fill_header(&record->header, row, id, 0, 0);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
