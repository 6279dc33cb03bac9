static int each(void *a, void *b) { return 0; }
int run(struct pt_regs *ctx) { return bpf_loop(10, each, 0, 0); }
