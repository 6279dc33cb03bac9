BPF_ARRAY(counts, u64, 5000000000);
BPF_HASH(others, u32, u64, -1);
