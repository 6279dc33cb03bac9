BPF_HASH(h, u32, u64)

int f(void *ctx) { u32 k=1; h.increment(k); return 0; }
