struct args { u64 di; };
struct pair { int first; int second; u8 bits : 3; };
struct later;

int run(struct args *ctx) {
  struct pair pair = {}, *to = &pair;
  u64 number = 1;
  int values[2] = {};
  number = undeclared + undeclared;
  number = nomber;
  number = pair.frist;
  number = pair->first;
  number = to.second;
  number = number.first;
  number = *number;
  number = number[1];
  number = pair + 1;
  number = to * 2;
  number = -to;
  number = !pair;
  number = pair;
  pair = number;
  to = &pair.bits;
  to = &(number + 1);
  5 = number;
  values = values;
  return number;
}
