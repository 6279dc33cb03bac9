/* Fields and enumerators missing or of another nature. */
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned short u16; typedef unsigned char u8;
struct in { u16 b; };
enum color___x { RED=1, GREEN = 5, BLUE = 9 , PURPLE=12};
struct s { int *i; int l; struct in in; int arr; u64 grow; u64 shrink; float p; u8 comm; long long sg; u8 bf1; struct {int x;} u; };
struct missing { char z; int a; };
typedef int (*fn_t)(struct s *);
typedef float mytype;
struct s a; fn_t f; mytype m; enum color___x c; struct missing mm;
