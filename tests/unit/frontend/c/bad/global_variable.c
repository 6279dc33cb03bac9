static u64 total;
int run(struct pt_regs *ctx) { total++; return 0; }
