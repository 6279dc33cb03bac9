BPF_HASH(counts, u32, u64);
#define COUNT(table, key) do { \
    u32 _k = (key); \
    table.increment_by(_k); \
  } while (0)
int run(struct pt_regs *ctx) {
  COUNT(counts, 3);
  return 0;
}
