struct key;
BPF_HASH(counts, struct key);
BPF_HASH(other, u32, strct_t);
