int run(struct pt_regs *ctx) {
  int a = 1;
  bpf_trace_printk("%d %d %d %d\n", a, a + 1, a + 2,
                   a + 3);
  return 0;
}
