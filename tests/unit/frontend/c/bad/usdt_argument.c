int run(struct pt_regs *ctx) {
  u64 address = 0;
  bpf_usdt_readarg(2, ctx, &address);
  return 0;
}
