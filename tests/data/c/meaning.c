/* Functions of which the front end for C and gcc must make the same: each takes four words. */

struct pair { int a; char b; short c; u64 d; };
struct bits { u32 a : 3; u32 b : 13; int c : 5; u32 d : 1; u64 e : 40; u64 f : 20; };
struct __attribute__((packed)) tight { u8 a; u32 b; u16 c; u64 d; };
union either { u32 word; u8 bytes[4]; struct { u16 low, high; }; };
struct outer { struct pair pairs[2]; union either e; char name[10]; u8 tail[]; };
enum colour { RED, GREEN = 7, BLUE };
enum sign { MINUS = -3, PLUS = 3 };

static inline int add(int a, int b) { return a + b; }
static inline u64 twice(u32 x) { x *= 2; return x; }
static inline int changed(struct pair p, u64 *out) { p.a += 5; *out = p.d; return p.a; }
static inline struct pair made(int a, u64 d) { struct pair p = {.a = a, .d = d}; return p; }
static inline int several(int n) { if (n < 0) return -1; if (n == 0) return 0; return 1; }
static inline void bump(int *p, int by) { *p += by; }

PROBE(promotions) { u8 a = A; s8 b = B; u16 c = C; return a + b * c - (a << 3) + (u8)(a + b) + (s8)(a * 3); }
PROBE(unsigned_int) { u32 a = A; int b = B; return (a < b) + 2 * (a > b) + 4 * (a - b > 0) + 8 * ((s64)a < b); }
PROBE(mixed) { u32 a = A; s64 b = B; return (a < b) + 2 * ((u64)a < b) + 4 * (-1 < (u32)1) + 8 * (-1 < (u16)1) + 16 * (-1L < 1U) + (int)(a + b); }
PROBE(narrow) { s16 a = A; u16 b = B; return (a == b) + 2 * (a < b) + 4 * ((u16)a == b) + (a ^ b) + ~a + -b; }
PROBE(divide) { int a = A, b = B; return b ? (b == -1 ? 5 : a / b * 1000 + a % b) : 0; }
PROBE(divide_long) { s64 a = A, b = B; return b ? (b == -1 ? 5 : (int)(a / b * 3 + a % b)) : 0; }
PROBE(divide_unsigned) { u32 a = A, b = B; u64 c = A, d = B; return (b ? a / b + a % b : 0) + (d ? (u32)(c / d ^ c % d) : 0); }
PROBE(divide_constant) { int a = A; s64 b = B; s8 c = C; return a / 7 + a % -7 + (int)(b / 1000) + (int)(b % 10) + c / 2 + c % 3 + a / 8 + a % 16; }
PROBE(divide_narrow) { s8 a = A; u8 b = B; s16 c = C; return (b ? a / b : 1) + (c ? a % c : 2) + (c ? b / c : 3); }
PROBE(shifts) { u32 a = A; int b = B; u64 c = C; int n = D & 31; return (a >> n) + (b >> n) + (b << n) + (int)(c >> (D & 63)) + (int)((s64)c >> (D & 63)) + (int)(1ULL << (D & 63)); }
PROBE(shift_narrow) { u8 a = A; s8 b = B; return (a << 9) + (b >> 2) + (a >> 3) + (u8)(a << 4); }
PROBE(wraps) { int a = A; s64 b = B; u8 c = C; c += 200; c -= a; return a * 65537 + (int)(b * 0x100000001LL) + c; }
PROBE(compound) { int a = A; u8 b = B; s16 c = C; a += b; a -= c; b *= 3; c /= 7; a ^= b; a |= 0x100; a &= ~4; b <<= 2; c >>= 1; b %= 11; return a + b + c; }
PROBE(steps) { int i = A; u8 c = 255; s8 d = -128; int a = i++ + ++i; int b = i-- - --i; c++; d--; return a * 3 + b + c + d + i; }
PROBE(step_pointers) { int v[4] = {1, 20, 300, 4000}; int *p = v; int a = *p++; int b = *++p; int c = (*p)++; p--; return a + b + c + *p + v[2]; }
PROBE(truth) { int a = A, b = B; return (a && b) + 2 * (a || b) + 4 * !a + 8 * !!b + 16 * (a && b || !a && !b) + 32 * (a & b && a | b); }
PROBE(short_circuit) { int n = 0; int a = A, b = B; int r = (a && (n += 1)) || (b && (n += 10)); return r * 1000 + n; }
PROBE(ternaries) { int a = A; u32 b = B; s64 c = a > 3 ? a : b; return (a > 0 ? 1 : a < -5 ? 2 : a == 0 ? 3 : 4) + (int)c + (int)(a ? -1 : 1U) + (a ?: 7); }
PROBE(ternary_pointers) { int x = 1, y = 2; int *p = A & 1 ? &x : &y; void *q = A & 2 ? (void *)0 : p; *p += 10; return x * 100 + y + (q == p) + (q ? 1 : 0); }
PROBE(ternary_structs) { struct pair a = {1, 2, 3, 4}, b = {5, 6, 7, 8}; struct pair c = A & 1 ? a : b; return c.a * 1000 + c.b * 100 + c.c * 10 + c.d + (A & 2 ? a : b).a; }
PROBE(commas) { int a = (int)A, b; b = (a++, a += 2, a * 2); return b + (a, 3); }
PROBE(loops) { int s = 0; for (int i = 0; i < 16; i++) { if (i == (A & 15)) continue; if (i > (B & 15)) break; s += i; } int j = 5; while (j--) s ^= j << 3; do { s++; } while (++j < 3); return s; }
PROBE(nested_loops) { int s = 0; for (int i = 0; i < 5; i++) for (int j = i; j < 5; j++) { if (j == (A & 3)) break; s += i * j + 1; } return s; }
PROBE(unknown_bounds) { int s = 0, n = A & 15; for (int i = 0; i < n; i++) { s += i * i; if (s > 200) goto out; } s = -s; out: return s; }
PROBE(unrolled) { int s = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) { if ((A >> i) & 1) s = s * 3 + i; } return s; }
PROBE(switches) { int r = 0; switch ((int)A & 7) { case 0: return 5; case 1: r += 1; case 2: r += 10; break; case 3: { int x = 4; r += x; } case 4: case 5: r += 100; break; default: r = -1; } return r; }
PROBE(switch_default_first) { int r = 0; switch ((u8)A) { default: r = 9; break; case 255: r = 1; case 0: r += 3; } return r; }
PROBE(switch_ranges) { switch ((int)A) { case -5 ... -1: return 1; case 0 ... 9: return 2; case 10: return 3; } return 4; }
PROBE(switch_long) { switch (A) { case 0x100000001ULL: return 1; case 1: return 2; case RED: return 3; case GREEN: return 4; } return 5; }
PROBE(switch_in_loop) { int s = 0; for (int i = 0; i < 6; i++) { switch (i) { case 1: continue; case 3: s += 100; break; default: s += i; } s++; } return s; }
PROBE(duff) { int n = A & 7, s = 0; switch (n) { case 0: do { s += 1; case 3: s += 10; case 2: s += 100; case 1: s += 1000; } while (s < 1500); } return s; }
PROBE(gotos) { int i = 0, s = 0; again: s += i; if (++i < 4) goto again; if (A & 1) goto end; s *= 2; end: return s; }
PROBE(enums) { enum colour c = GREEN; enum sign s = A & 1 ? MINUS : PLUS; return c + BLUE * 10 + s + (s < 0) + sizeof(c) + (c == 7); }
PROBE(bools) { _Bool a = A, b = (A & 0x100) , c = A == B; bool d = !a; a += 5; return a + 2 * b + 4 * d + sizeof(a) * 8 + (a == 1); }
PROBE(chars) { char a = A; signed char b = 'x'; unsigned char c = '\xff'; return a + b + c + '\n' + '\0' + '\'' + '\\' + '\377' + (a < 0) + sizeof('a'); }
PROBE(constants) { return 0x7fffffff + (0xffffffff > 0) + (4294967295 > 0) + 010 + 0b101 + sizeof(1) + sizeof(1L) + sizeof(0x80000000) + sizeof(2147483648) + (int)10ULL + (-1 < 0u); }
PROBE(sizes) { int v[5]; struct outer *o = 0; return sizeof(v) + sizeof v[0] * 100 + sizeof(struct pair) + sizeof(struct tight) + sizeof(union either) + sizeof(struct outer) * 3 + sizeof(o->pairs[0].c) + sizeof(o->name) + sizeof(struct bits) + sizeof(A + 1) + sizeof((char)1) + sizeof(+(char)1); }
PROBE(not_evaluated) { int n = 1; int s = sizeof(n++) + sizeof(int[3]); return s * 10 + n; }
PROBE(casts) { u64 a = A; return (int)(s8)a + (int)(u8)a * 2 + (int)(s16)a * 3 + (int)(u16)a * 5 + (int)(u32)a * 7 + (int)(bool)a + (int)(u64)(s8)a + ((void)0, 1); }
PROBE(structs) { struct pair p = {1, .d = A, .c = 3}, q; u64 out; q = p; int r = changed(q, &out); return r * 100 + (int)out * 10 + q.a + (q.b == 0) + q.c; }
PROBE(struct_returns) { struct pair p = made(A, B); int x = made(3, 4).a + (int)made(5, C).d; p = made(p.a + 1, p.d); return p.a + (int)p.d * 3 + x + p.b + p.c; }
PROBE(struct_pointers) { struct outer o = {}; struct outer *p = &o; struct pair *q = p->pairs; q[1].d = A; (q + 1)->c = B; (*p).pairs[0].a = C; p->e.word = D; return o.pairs[1].d + o.pairs[1].c * 3 + q->a * 5 + o.e.low + p->e.bytes[3] + (int)(&q[1] - q) + (int)((char *)&p->e - (char *)p); }
PROBE(unions) { union either e = {A}; e.bytes[1] ^= B; return e.word + e.low * 3 + e.high * 5 + e.bytes[1]; }
PROBE(bit_fields) { struct bits b = {}; b.a = A; b.b = B; b.c = C; b.d = D; b.e = A * B; b.f = C * D; b.a++; b.c -= 3; int x = (b.b = A) + (b.c = B); return b.a + b.b * 3 + b.c * 5 + b.d + (int)b.e + (int)b.f * 7 + x + (b.a - 8 < 0) + (b.c < 0); }
PROBE(bit_field_init) { struct bits b = {A, .c = -2, .e = 1ULL << 39}; struct bits c = b; return c.a + c.b + c.c + c.d + (int)(c.e >> 32) + (c.f == 0); }
PROBE(packed) { struct tight t = {A, B, C, D}; struct tight *p = &t; p->b += 1; p->d ^= t.c; return t.a + p->b + t.c + (int)p->d + (int)(p->d >> 32); }
PROBE(arrays) { int a[8] = {[2] = 5, 6, [7] = 1}; int s = 0; for (int i = 0; i < sizeof(a) / sizeof(a[0]); i++) s = s * 3 + a[i]; return s + a[A & 7] + (A & 7)[a] + *(a + (B & 7)); }
PROBE(arrays_of_arrays) { int m[3][4] = {{1, 2}, {3}, 7, 8, [2][3] = 9}; int s = 0; for (int i = 0; i < 3; i++) for (int j = 0; j < 4; j++) s = s * 2 + m[i][j]; int (*row)[4] = m + 1; return s + row[0][0] + (*row)[1] + sizeof(m[0]) + (int)(&m[2][1] - &m[0][0]); }
PROBE(struct_arrays) { struct pair v[] = {{1, 2, 3, 4}, {.d = A}, [3].a = 9}; return sizeof(v) / sizeof(v[0]) * 1000 + v[0].c + (int)v[1].d + v[3].a + v[2].a; }
PROBE(left_out_braces) { struct outer o = {1, 2, 3, 4, 5, 6, 7, 8, {0x01020304}, "hey"}; return o.pairs[0].a + o.pairs[1].a * 10 + (int)o.pairs[1].d * 100 + o.e.bytes[0] + o.name[2] + o.name[5]; }
PROBE(range_designators) { u8 v[16] = {[1 ... 4] = 3, [6] = 9, 1}; int s = 0; for (int i = 0; i < 16; i++) s = s * 2 + v[i]; return s; }
PROBE(strings) { char f[16] = "hello"; char g[] = "a\tb" "cd\x41"; int s = 0; for (int i = 0; i < 16 && f[i]; i++) s = s * 7 + f[i]; return s + sizeof(f) + sizeof(g) + g[1] + g[5] + sizeof("abc"); }
PROBE(string_constants) { const char *p = "table"; return p[A & 3] + p[5] + "xyz"[1] + *"q"; }
PROBE(literals) { struct pair *p = &(struct pair){A, 1, 2, B}; int *v = (int[]){1, 2, (int)C}; struct pair q; q = (struct pair){.c = 4}; return p->a + (int)p->d + v[2] + v[0] + q.c + q.a; }
PROBE(statement_expressions) { int a = A; int b = ({ int a = 5; a * 2; }) + ({ int t = a; t > 0 ? t : -t; }); ({ b++; }); return b; }
PROBE(typeofs) { typeof(A) a = A; __typeof__(((struct pair *)0)->c) c = B; typeof(int *) p = (int[1]){3}; __auto_type z = (u8)C; return sizeof(a) + sizeof(c) * 10 + (int)a + c + *p + z + sizeof(z); }
PROBE(inlined) { int a = A; bump(&a, 3); int v[2] = {a, 1}; bump(v + 1, a); return add(add(a, 2), add(v[0], v[1])) + (int)twice(B) + several(C) + several(0) + several(-4); }
PROBE(shadows) { int x = A; { int x = 3; x++; { u8 x = 255; x++; } } for (int x = 0; x < 2; x++) ; return x + ({ int x = 9; x; }); }
PROBE(pointers) { u64 v[4] = {A, B, C, D}; u64 *p = v, *e = v + 4; u64 s = 0; for (; p != e; p++) s = s * 3 + *p; u64 **pp = &p; p = v; (*pp)++; return (int)s + (int)(p - v) * 100 + (int)**pp + (p != e) + (p > v) + !p + (p == v + 1) + (int)((u64)e - (u64)p); }
PROBE(pointer_casts) { u64 a = A; u8 *b = (u8 *)&a; u16 *h = (u16 *)(b + 2); *h ^= 0x55aa; b[7] = 1; void *v = b; u32 *w = v + 4; return (int)a + (int)(a >> 32) + *w + b[3] + *(u32 *)b; }
PROBE(swaps) { u32 a = A; u16 b = B; u64 c = C; return __builtin_bswap32(a) + __builtin_bswap16(b) + (int)__builtin_bswap64(c) + (int)(__builtin_bswap64(c) >> 32); }
PROBE(offsets) { return __builtin_offsetof(struct outer, e) + __builtin_offsetof(struct outer, pairs[1].c) * 10 + (int)(u64)&((struct pair *)0)->d + sizeof(((struct outer *)0)->e); }
PROBE(blocks) { char a[24] = {}; char b[24]; __builtin_memset(a, 0x41, 20); __builtin_memcpy(b, a, 24); b[3] = A; return a[19] + a[20] + b[3] + b[4] + __builtin_memcmp(a, b, 3); }
PROBE(expects) { int a = A; if (__builtin_expect(!!(a > 3 && a < 30), 1)) return __builtin_constant_p(3) + 1; return __builtin_constant_p(a) + 5; }
PROBE(local_types) { typedef struct { u8 x, y; } point; struct pair { u8 only; }; enum { ONE = 1, TWO }; point p = {A, B}; struct pair q = {C}; return p.x + p.y * TWO + q.only + sizeof(point) + sizeof(struct pair); }
PROBE(atomics) { u64 n = A; u32 m = B; __sync_fetch_and_add(&n, C); __sync_fetch_and_add(&m, 3); return (int)n + m; }
PROBE(barriers) { int i = A; asm volatile("" : "=r"(i) : "0"(i)); asm volatile("" ::: "memory"); u64 n = B; asm volatile("" : "+r"(n)); return i + (int)n; }
PROBE(wide) { int s = 0; u64 h = 14695981039346656037ULL; for (int i = 0; i < 8; i++) { h ^= (A >> (8 * i)) & 0xff; h *= 1099511628211ULL; } return (int)(h ^ h >> 32) + s; }
PROBE(long_chain) { int a = A; return a + 1 - 2 + 3 - 4 * a + 5 - (6 ^ a) + 7 - 8 + 9 - (10 | a) + 11 - 12 + 13 - 14 + 15 % 4 - 16 / 3 + (17 & a) - 18 + 19 - 20 + 21 - 22 + 23 - 24; }
PROBE(several_declarators) { struct { int x; } a = {A}, b = a, *p = &b; struct one { u8 y; } c = {B}, d = c; enum { FIRST = 3, SECOND } e = FIRST, f = SECOND; a = *p; c = d; return a.x + b.x * 2 + c.y + d.y * 3 + e + f * 5; }
