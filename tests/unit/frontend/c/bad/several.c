BPF_HASH(start, u32, u64);
int enter(struct pt_regs *ctx) {
  u32 pid = bpf_get_current_pid_tgid();
  u64 ts = bpf_ktime_get_n();
  start.update(&pid, &tsx);
  return 0;
}
int leave(struct pt_regs *ctx) {
  u32 pid = bpf_get_current_pid_tgid();
  u64 *tsp = start.loookup(&pid);
  return missing;
}
