struct args { u64 di; };
struct pair { int first; int second; };
struct later;

int run(struct args *ctx) {
  static int kept = 1;
  extern int elsewhere;
  void none;
  float half = 0;
  struct later unknown;
  struct pair pair = {1, 2, 3};
  struct pair named = {.third = 1};
  int values[2] = {1, 2, 3};
  int outside[2] = {[2] = 1};
  int unsized[];
  int by_number[ctx->di];
  char large[40000];
  int scalar = {1, 2};
  int from_array[2] = values;
  __auto_type untyped;
  kept = elsewhere + half;
  return scalar;
}
