"""Texts that look like C from far away: pieces of a grammar, mutations of good texts, and plain noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

GOOD = (
    """
#include <net/sock.h>
#define CAT(a, b) a##b
#define STR(x) #x
#define CALL(f, ...) f(1, ##__VA_ARGS__)
struct key_t { u32 pid; char comm[16]; union { u64 a; u8 b:3, :0; }; } __attribute__((packed));
BPF_HASH(start, u32, u64, 1024);
static inline int near(struct sock *sk, const char __user *p) { return sk->__sk_common.skc_net.net->ns.inum ?: 1; }
int kprobe__x(struct pt_regs *ctx, struct sock *sk)
{
    u64 ts = bpf_ktime_get_ns(), *tsp;
    struct key_t key = { .pid = 1, .comm = "a\\n" };
    tsp = start.lookup(&key.pid);
    if (!tsp || *tsp > ts) goto out;
    for (int i = 0; i < 10; i++) { key.comm[i] ^= (u8)(ts >> (8 * i)); }
    switch (key.pid) { case 1 ... 3: break; case 'x': ts += 0x1fULL; default: ; }
    CALL(bpf_trace_printk, CAT(t, s), STR(a "b" + c));
out:
    return 0;
}
""",
    """
#if defined(CONFIG_NET) && LINUX_VERSION_CODE >= KERNEL_VERSION(5, 4, 0) || IS_ENABLED(CONFIG_X)
# define A 1
#elif 'a' < 98 ? 1 : 0
# define A(x, y...) ({ typeof(x) _x = (x); _x, ##y; })
#else
# error no
#endif
#undef B
#ifndef B
enum stats { S_READ = 1, S_LAST };
#endif
typedef unsigned long long (*fn_t)(void *, int [3], ...);
#pragma unroll
int f(void) { asm volatile("" : "=r"(i) : [x] "0"(i) : "memory"); return sizeof(struct a *) + min_t(u32, 1, 2); }
""",
)

_WORDS = [
    "int",
    "long",
    "unsigned",
    "char",
    "void",
    "const",
    "volatile",
    "static",
    "extern",
    "typedef",
    "struct",
    "union",
    "enum",
    "if",
    "else",
    "for",
    "while",
    "do",
    "switch",
    "case",
    "default",
    "break",
    "continue",
    "goto",
    "return",
    "sizeof",
    "typeof",
    "__attribute__",
    "asm",
    "inline",
    "_Bool",
    "__int128",
    "_Static_assert",
    "_Alignas",
    "_Generic",
    "offsetof",
    "__auto_type",
    "a",
    "b",
    "c",
    "f",
    "g",
    "x",
    "s",
    "u32",
    "u64",
    "size_t",
    "A",
    "B",
    "F",
    "packed",
    "define",
    "undef",
    "include",
    "ifdef",
    "ifndef",
    "if",
    "elif",
    "else",
    "endif",
    "error",
    "pragma",
    "defined",
    "__VA_ARGS__",
    "__VA_OPT__",
    "__LINE__",
    "__FILE__",
    "__COUNTER__",
    "_Pragma",
    "__extension__",
    "BPF_HASH",
    "CONFIG_NET",
]
_MARKS = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    ".",
    "->",
    "...",
    ":",
    "?",
    "=",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "<<",
    ">>",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "~",
    "!",
    "&&",
    "||",
    "++",
    "--",
    "+=",
    "<<=",
    "#",
    "##",
    "\\\n",
    "\n",
    "\n#",
    '"',
    "'",
    "@",
    "`",
    "$",
    "//",
    "/*",
    "*/",
    "\\",
]
_NUMBERS = (
    "0",
    "1",
    "42",
    "0x1f",
    "0b101",
    "077",
    "08",
    "1ULL",
    "1.5",
    "1e9",
    "0x",
    "1lul",
    "'a'",
    "'\\n'",
    "''",
    '"s"',
    '"',
    '"\\',
    "L'x'",
    'u8"x"',
)
_STRANGE = (
    "\0",
    "\x7f",
    "\xff",
    "\u00e9",
    "\udcff",
    "\u2028",
    "\r",
    "\f",
    "\v",
    "\t",
    "\ufeff",
    "\U0001f600",
)


def soup(random: Random) -> str:
    """Tokens in any order."""
    pieces: list[str] = []
    for _ in range(random.randrange(1, 120)):
        kind = random.random()
        if kind < 0.4:
            pieces.append(random.choice(_WORDS))
        elif kind < 0.8:
            pieces.append(random.choice(_MARKS))
        elif kind < 0.97:
            pieces.append(random.choice(_NUMBERS))
        else:
            pieces.append(random.choice(_STRANGE))
        if random.random() < 0.7:
            pieces.append(" ")
    return "".join(pieces)


def directives(random: Random) -> str:
    """Macros that name one another, and conditions."""
    names = [f"M{at}" for at in range(random.randrange(1, 8))]
    lines: list[str] = []
    for name in names:
        parameters = random.choice(("", "", "()", "(x)", "(x, y)", "(x, ...)", "(...)", "(y...)"))
        body = " ".join(
            random.choice(
                (
                    *names,
                    "x",
                    "y",
                    "#x",
                    "x ## y",
                    "__VA_ARGS__",
                    ", ##__VA_ARGS__",
                    "(",
                    ")",
                    ",",
                    "1",
                    f"{random.choice(names)}(x, y)",
                )
            )
            for _ in range(random.randrange(6))
        )
        lines.append(f"#define {name}{parameters} {body}")
    for _ in range(random.randrange(6)):
        name = random.choice(names)
        lines.append(
            random.choice(
                (
                    f"#ifdef {name}",
                    f"#if {name} + 1 > {name}(1)",
                    "#else",
                    "#elif 1",
                    "#endif",
                    f"#undef {name}",
                    soup(random),
                )
            )
        )
        lines.append(
            random.choice(
                (
                    f"int a = {name};",
                    f"{name}(1, {random.choice(names)}(2))",
                    f"{name}((,), {name})",
                    name,
                )
            )
        )
    return "\n".join(lines)


def nested(random: Random) -> str:
    """One thing in itself, often."""
    opening, closing = random.choice(
        (
            ("(", ")"),
            ("{", "}"),
            ("[", "]"),
            ("({", ";})"),
            ("f(", ")"),
            ("struct {", "};"),
            ("if (1) {", "}"),
            ("sizeof(", ")"),
            ("(int)", ""),
            ("-", ""),
            ("*", ""),
            ("a ? b : ", ""),
            ("__attribute__((a(", ")))"),
        )
    )
    times = random.choice((3, 30, 300, 3000))
    middle = random.choice(("1", "", "x", "int"))
    return (
        random.choice(("int x = ", "int f(void) { ", "int "))
        + opening * times
        + middle
        + closing * random.choice((times, times, times - 1))
        + random.choice((";", "}", ""))
    )


def mutated(random: Random, text: str) -> str:
    """A text with some places changed."""
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((0, 1, 1, 3, 20, 200)))
        new = random.choice(
            (
                "",
                "",
                random.choice(_WORDS),
                random.choice(_MARKS),
                random.choice(_NUMBERS),
                random.choice(_STRANGE),
                text[at:end] * 2,
                soup(random)[:30],
            )
        )
        text = text[:at] + new + text[end:]
    return text


def text(random: Random) -> str:
    """Any of the above."""
    kind = random.random()
    if kind < 0.25:
        return soup(random)
    if kind < 0.45:
        return directives(random)
    if kind < 0.55:
        return nested(random)
    return mutated(random, random.choice(GOOD))
