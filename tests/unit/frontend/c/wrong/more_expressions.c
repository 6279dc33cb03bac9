struct args { u64 di; };
struct pair { int first; int second; };
struct later;

int run(struct args *ctx) {
  struct pair pair = {};
  struct later *later = (void *)ctx->di;
  u64 number = 1;
  unsigned __int128 wide = 1;
  number = later->first;
  number = sizeof(struct later);
  number = 1.5;
  number = (float)number;
  number = wide * 2;
  number = number ? pair : 1;
  number = pair ? 1 : 2;
  number = helper();
  number = number(1);
  number = ctx->call(1);
  number = __builtin_clz(number);
  number = offsetof(struct pair, thrid);
  number = __builtin_choose_expr(number, 1, 2);
  number = 99999999999999999999;
  return number;
}
