int run(struct pt_regs *ctx) {
  char text[] = "hello";
  bpf_trace_printk(text);
  return 0;
}
