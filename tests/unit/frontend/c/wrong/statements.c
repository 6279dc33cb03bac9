struct args { u64 di; };
struct pair { int first; int second; };
static void nothing(void) {}
static int something(struct pair pair) { return; }
static int itself(int n) { return n ? itself(n - 1) : 0; }

int run(struct args *ctx) {
  struct pair pair = {};
  u64 number = 1;
  break;
  continue;
  goto nowhere;
  switch (pair) { case 1: break; }
  switch (number) { case 1: case 1: break; default: break; }
  switch (number) { default: break; default: break; }
  switch (number) { case number: break; }
  if (pair) number = 2;
  while (nothing()) number = 3;
  number = nothing();
  something(pair);
  something();
  something(1);
  itself(3);
  asm volatile("r0 = 1");
  _Static_assert(sizeof(int) == 8, "ints are small");
twice: twice2: nothing();
twice: nothing();
  return pair;
}
