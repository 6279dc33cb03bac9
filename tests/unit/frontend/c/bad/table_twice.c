BPF_HASH(counts);
BPF_HASH(counts, u32);
