int run(struct pt_regs *ctx) {
  const int x = 1;
  const int *to = &x;
  int *const fixed = 0;
  to = 0;
  x = 2;
  x++;
  x += 1;
  fixed = 0;
  return 0;
}
