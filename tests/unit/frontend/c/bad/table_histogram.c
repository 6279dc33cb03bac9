BPF_TABLE("histogram", int, u32, dist, 64);
