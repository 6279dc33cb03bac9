BPF_HASH(counts);
BPF_PERF_OUTPUT(events);
int run(struct pt_regs *ctx) {
  u64 x = 0;
  counts.perf_submit(ctx, &x, sizeof(x));
  events.get_stackid(ctx, 0);
  return 0;
}
