/* Two versions of one struct that disagree. */
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned short u16; typedef unsigned char u8;
struct in { int a; u16 b; };
struct s { int i; u64 l; };
struct s___2 { int i; int z; u64 l; };
enum color { RED, GREEN = 5, BLUE = 70000 };
struct s a; struct s___2 b; struct in d; enum color c;
