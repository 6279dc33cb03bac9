int size = 3;
BPF_HASH(counts, u32, u64, size);
