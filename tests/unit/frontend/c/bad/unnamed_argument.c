int kprobe__f(struct pt_regs *ctx, int) { return 0; }
