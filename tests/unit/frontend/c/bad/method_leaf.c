struct value { u64 a; };
BPF_HASH(values, u32, struct value);
int run(struct pt_regs *ctx) {
  values.increment(1);
  return 0;
}
