/* One TYPE_EXISTS relocation per type, made like relocations.bpf.o; typesN.btf come from typesN.c.
 *
 * clang 14 does not know TYPE_MATCHES: for the "matches" of expected.json, the kind of each
 * relocation in .BTF.ext was changed from 8 to 12 before libbpf loaded the object.
 */

typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned short u16; typedef unsigned char u8;
struct fwd_only; union ufwd;
enum e1 { A1, B1 }; enum e2 { A2=1 };
struct s1 { int a; u32 b; };
struct s2 { struct s1 in; int c; };
struct s3 { struct s1 *p; };
struct s4 { struct fwd_only *p; };
struct s5 { int arr[4]; };
struct s6 { enum e1 e; };
struct s7 { union { int x; u32 y; }; };
struct s8 { int (*fn)(int, char *); };
struct s9___fl { u64 z; };
union u1 { int a; u64 b; };
struct s10 { const volatile int a; };
struct s11 { struct s1 **pp; };
struct s12 { void *v; };
struct s13 { int b:3; };
struct s14 { float f; };
struct s15 { union ufwd *u; struct s1 *s; };
struct s16 { int (*fn)(struct s1 *, struct s2); };
typedef int (*fp1)(struct s1 *);
typedef int (*fp2)(int, ...);
typedef struct s2 td1;
typedef int arr_t[3];
typedef struct { int q; } anon1;
volatile u64 sink;__attribute__((section("raw_tp/x"),used)) int prog(void *ctx) {
  sink = __builtin_preserve_type_info(*(enum e1*)0, 0);
  sink = __builtin_preserve_type_info(*(enum e2*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s1*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s2*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s3*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s4*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s5*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s6*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s7*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s8*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s10*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s11*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s12*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s13*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s14*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s15*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s16*)0, 0);
  sink = __builtin_preserve_type_info(*(struct s9___fl*)0, 0);
  sink = __builtin_preserve_type_info(*(union u1*)0, 0);
  sink = __builtin_preserve_type_info(*(fp1*)0, 0);
  sink = __builtin_preserve_type_info(*(fp2*)0, 0);
  sink = __builtin_preserve_type_info(*(td1*)0, 0);
  sink = __builtin_preserve_type_info(*(arr_t*)0, 0);
  sink = __builtin_preserve_type_info(*(anon1*)0, 0);
  sink = __builtin_preserve_type_info(*(u32*)0, 0);return 0;}
char _license[] __attribute__((section("license"),used)) = "GPL";