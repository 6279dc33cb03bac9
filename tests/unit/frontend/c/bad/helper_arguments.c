int run(struct pt_regs *ctx) {
  char comm[16];
  bpf_get_current_comm(&comm);
  return bpf_ktime_get_ns(1);
}
