/* Fields moved, grown, shrunk, in and out of anonymous structs and unions. */
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned short u16; typedef unsigned char u8;
struct in { char pad[6]; int a; u32 b; };
enum color { GREEN = 6, BLUE = -3, X };
typedef struct { u64 n; int x; u32 y; } anon_t;
struct s {
  u64 head[3]; struct { union { int i; long q; }; u64 l; }; u8 c; const char *p; 
  struct in in; struct in arr[3];
  u16 v; union { struct { u32 u; }; };
  u32 pad:9; u32 bf1:5; u64 bf2:40; int sbf:2; 
  enum color e; u32 grow; u16 shrink; short sg; u8 comm[32]; struct in flex[];
};
typedef long (*fn_t)(struct s *, short);
typedef struct s mytype;
struct s a; anon_t b; fn_t f; mytype m; enum color c;
