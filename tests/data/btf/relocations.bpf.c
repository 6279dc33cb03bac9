/* Every kind of CO-RE relocation that clang 14 emits, against the types of kernel1.c to kernel3.c.
 *
 * Made with: clang -target bpf -g -O2 -mcpu=v3 -fdebug-prefix-map=$PWD=. -c relocations.bpf.c,
 * then llvm-strip -g; kernelN.btf is the .BTF section of kernelN.c, compiled the same way.
 * expected.json holds what libbpf 1.1.2 did to each instruction, from its debug log when it loads
 * this object with btf_custom_path=kernelN.btf: [instruction, value or "poison"(, new size)].
 */
#define PAI __attribute__((preserve_access_index))
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned short u16; typedef unsigned char u8;
struct in { int a; u16 b; } PAI;
enum color { RED, GREEN = 5, BLUE = 70000 };
enum color___v2 { PURPLE___v2 = 3, GREEN___v2 = 1 };
typedef struct { int x; u32 y; } PAI anon_t;
struct s {
  int i; u64 l; u8 c; char *p; 
  struct in in; struct in arr[4];
  union { u32 u; u16 v; };
  u32 bf1:3; u32 bf2:7; int sbf:5; 
  enum color e; u16 grow; u32 shrink; int sg; char comm[16]; struct in flex[];
} PAI;
struct s___old { int gone; u32 i_am; } PAI;
struct missing { int a; } PAI;
typedef int (*fn_t)(struct s *, int);
typedef u32 mytype;
#define EX(f) __builtin_preserve_field_info(f, 2)
#define SZ(f) __builtin_preserve_field_info(f, 1)
#define SG(f) __builtin_preserve_field_info(f, 3)
#define LS(f) __builtin_preserve_field_info(f, 4)
#define RS(f) __builtin_preserve_field_info(f, 5)
#define OF(f) __builtin_preserve_field_info(f, 0)
#define TL(t) __builtin_btf_type_id(*(t*)0, 0)
#define TT(t) __builtin_btf_type_id(*(t*)0, 1)
#define TE(t) __builtin_preserve_type_info(*(t*)0, 0)
#define TS(t) __builtin_preserve_type_info(*(t*)0, 1)
#define EE(t,v) __builtin_preserve_enum_value(*(t*)v, 0)
#define EV(t,v) __builtin_preserve_enum_value(*(t*)v, 1)
volatile u64 sink;
__attribute__((section("raw_tp/x"),used)) int prog(void *ctx) {
  struct s *s = *(struct s **)ctx; struct s___old *o = (void*)s; struct missing *m=(void*)s; anon_t *an=(void*)s;
  u64 r = 0;
  r += (u64)&s->i; r += (u64)&s->l; r+= (u64)&s->c; r += (u64)&s->in.b; r += (u64)&s->arr[2].b; r += (u64)&s->u; r += (u64)&s->v; r+= (u64)&s[1].c;
  r += (u64)&s->comm[3]; r += (u64)&s->flex[7].b; r += (u64)&s->p; r+= (u64)&an->y;
  sink = r;
  sink = EX(s->i)+EX(s->in.a)+EX(o->gone)+EX(m->a)+EX(s->arr[3])+EX(s->u);
  sink = SZ(s->l)+SZ(s->comm)+SZ(s->bf1)+SZ(s->grow)+SZ(s->in)+SZ(s->shrink)+SZ(s->arr);
  sink = SG(s->i)+SG(s->l)+SG(s->sbf)+SG(s->bf1)+SG(s->e)+SG(s->c);
  sink = LS(s->bf1); sink=LS(s->bf2); sink=LS(s->sbf); sink=LS(s->i); sink=LS(s->grow);
  sink = RS(s->bf1); sink=RS(s->bf2); sink=RS(s->sbf); sink=RS(s->i); sink=RS(s->shrink);
  sink = OF(s->bf1); sink=OF(s->bf2); sink=OF(s->sbf); sink = OF(s->in); sink=OF(o->gone); sink=OF(m->a); sink=OF(s->arr);
  sink = TL(struct s); sink = TL(mytype); sink=TT(struct s); sink=TT(struct missing); sink=TT(enum color); sink=TT(anon_t);
  sink = TE(struct s); sink=TE(struct missing); sink=TE(fn_t); sink=TE(mytype); sink=TE(anon_t); sink=TE(enum color); sink=TE(struct s___old);
  sink = TS(struct s); sink=TS(struct missing); sink=TS(mytype); sink=TS(anon_t); sink=TS(enum color);
  sink = EE(enum color, BLUE); sink=EE(enum color, RED); sink=EE(enum color___v2, PURPLE___v2); sink=EE(enum color___v2, GREEN___v2);
  sink = EV(enum color, BLUE); sink=EV(enum color, GREEN); sink=EV(enum color___v2, GREEN___v2); sink=EV(enum color___v2,PURPLE___v2);
  sink = s->i; sink=s->l; sink=s->c; sink=s->grow; sink=s->shrink; sink=s->sg; sink=(u64)s->p; sink=s->in.b; sink=s->u; sink=s->v;
  sink = s->bf1; sink=s->bf2; sink=s->sbf;
  s->grow=3; s->shrink=(u32)r; s->i=4;
  return 0;
}
char _license[] __attribute__((section("license"),used)) = "GPL";
