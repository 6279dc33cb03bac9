static int counted(int x) { return x; }
int run(struct pt_regs *ctx) { return countd(1) + bpf_get_curent_pid_tgid(); }
