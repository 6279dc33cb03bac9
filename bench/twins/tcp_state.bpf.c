// examples/tcp_state.py: members of structs behind a trusted pointer, byte order turned.
#include "twin.bpf.h"
#include <bpf/bpf_endian.h>

struct record {
	struct header header;
	__u16 port, peer_port;
	__u8 old, new;
	__u8 pad[2];
};

SCRATCH(record, 1)

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int old, int new)
{
	struct record *record, *staged;
	__u16 port, peer_port;
	__u32 zero = 0;

	BEGIN(0)
	staged = bpf_map_lookup_elem(&scratch, &zero);
	if (!staged)
		return 0;
	if (!sk) // a plain load would give 0 here, not an error
		return failed(row, 0);
	// The verifier takes no cast of a trusted pointer to a larger struct for a fact.
	if (BPF_CORE_READ_INTO(&port, (struct inet_sock *)sk, inet_sport))
		return failed(row, 1);
	peer_port = sk->__sk_common.skc_dport;
	record = reserve(row, staged, sizeof(*record));
	if (!record)
		return 0;
	record->port = bpf_ntohs(port);
	record->peer_port = bpf_ntohs(peer_port);
	record->old = old;
	record->new = new;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	fill_header(&record->header, row, id, 0, 0);
	submit(ctx, row, record, sizeof(*record));
	return 0;
}
