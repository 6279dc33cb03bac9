BPF_HASH(counts, u32, u64);
struct pair { u32 a; u32 b; };
BPF_HASH(pairs, struct pair);
int run(struct pt_regs *ctx) {
  u32 key = 1;
  counts.update(&key);
  counts.lookup(key);
  struct pair p = {};
  pairs.increment(&p);
  pairs.increment(key);
  return 0;
}
