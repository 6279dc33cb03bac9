"""What stands before all programs: how each side says what C leaves open."""

COMMON = """\
#define MIX(h, x) ((h) = ((h) ^ (u64)(x)) * 0x100000001b3ULL, (h) ^= (h) >> 29)
#define MIN2(a, b) ((a) < (b) ? (a) : (b))
#define TWICE(x) ((x) + (x))
#define GLUE(a, b) a##b
#define FIELD(s, n) s.GLUE(m, n)
#define PICK(a, b, ...) PICK_(a, b, ##__VA_ARGS__, 3)
#define PICK_(a, b, c, ...) (c)
"""

OURS = """\
#define DIV(a, b) ((a) / (b))
#define MOD(a, b) ((a) % (b))
#define SHL(a, b) ((a) << (b))
#define SHR(a, b) ((a) >> (b))
#define DIV_TO(a, b) ((a) /= (b))
#define MOD_TO(a, b) ((a) %= (b))
#define SHL_TO(a, b) ((a) <<= (b))
#define SHR_TO(a, b) ((a) >>= (b))
"""

HOST = """\
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long long s64; typedef _Bool bool;
typedef unsigned long size_t;
struct bpf_raw_tracepoint_args { u64 args[12]; };
#define memset __builtin_memset
#define memcpy __builtin_memcpy
#define memcmp __builtin_memcmp
#define offsetof __builtin_offsetof
#define LESS_ONE(t) ((t)-1 < (t)0)
#define DIV(a, b) ({ __typeof__((a) / (b)) x_ = (a), y_ = (b); y_ == 0 ? 0 : LESS_ONE(__typeof__(y_)) && y_ == (__typeof__(y_))-1 ? -x_ : x_ / y_; })
#define MOD(a, b) ({ __typeof__((a) / (b)) x_ = (a), y_ = (b); y_ == 0 ? x_ : LESS_ONE(__typeof__(y_)) && y_ == (__typeof__(y_))-1 ? 0 : x_ % y_; })
#define SHL(a, b) ({ __typeof__(+(a)) x_ = (a); u64 y_ = (u64)(b) & (sizeof(x_) * 8 - 1); (__typeof__(x_))(x_ << y_); })
#define SHR(a, b) ({ __typeof__(+(a)) x_ = (a); u64 y_ = (u64)(b) & (sizeof(x_) * 8 - 1); (__typeof__(x_))(x_ >> y_); })
#define DIV_TO(a, b) ((a) = DIV(a, b))
#define MOD_TO(a, b) ((a) = MOD(a, b))
#define SHL_TO(a, b) ((a) = SHL(a, b))
#define SHR_TO(a, b) ((a) = SHR(a, b))
"""
