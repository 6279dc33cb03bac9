BPF_HASH(counts, u32, u64);
int run(struct pt_regs *ctx) {
  u32 key = 1;
  counts.lokup(&key);
  counts.frobnicate(key);
  return 0;
}
