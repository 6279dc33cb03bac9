BPF_HASH(h, u32, u64);
BPF_HASH(starts, u32, u64);
int run(struct pt_regs *ctx) {
  u32 key = 1;
  hh.increment(key);
  start.lookup(&key);
  zz.delete(&key);
  return 0;
}
