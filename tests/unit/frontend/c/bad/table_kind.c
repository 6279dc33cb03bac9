BPF_TABLE("hsh", u32, u64, counts, 10);
