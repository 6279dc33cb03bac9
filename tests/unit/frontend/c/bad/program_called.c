int helper(struct pt_regs *ctx) { return 1; }
int run(struct pt_regs *ctx) { return helper(ctx); }
