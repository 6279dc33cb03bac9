struct pair { u64 a; u64 b; };
int kprobe__f(struct pt_regs *ctx, struct pair p) { return p.a; }
