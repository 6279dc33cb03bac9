BPF_HASH(counts);
int run(struct pt_regs *ctx) { return counts; }
