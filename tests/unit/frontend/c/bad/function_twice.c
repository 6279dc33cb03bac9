static int f(int x) { return x; }
static int f(int x) { return x + 1; }
int run(struct pt_regs *ctx) { return f(1); }
