// examples/tcp_close.py by kprobe: members of structs, each by a probe read that may fail.
#include "twin.bpf.h"
#include <bpf/bpf_endian.h>

struct record {
	struct header header;
	__u64 sent, received;
	__u16 port, peer_port;
	__u8 pad[4];
};

SCRATCH(record, 1)

SEC("kprobe/tcp_close")
int BPF_KPROBE(tcp_close, struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct record *record, *staged;
	__u64 sent, received;
	__u16 port, peer_port;
	__u32 zero = 0;

	BEGIN(0)
	staged = bpf_map_lookup_elem(&scratch, &zero);
	if (!staged)
		return 0;
	if (BPF_CORE_READ_INTO(&port, sk, __sk_common.skc_num))
		return failed(row, 0);
	if (BPF_CORE_READ_INTO(&peer_port, sk, __sk_common.skc_dport))
		return failed(row, 1);
	if (BPF_CORE_READ_INTO(&sent, tcp, bytes_sent))
		return failed(row, 2);
	if (BPF_CORE_READ_INTO(&received, tcp, bytes_received))
		return failed(row, 3);
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	record->sent = sent;
	record->received = received;
	record->port = port;
	record->peer_port = bpf_ntohs(peer_port);
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	fill_header(&record->header, row, id, 0, 0);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
