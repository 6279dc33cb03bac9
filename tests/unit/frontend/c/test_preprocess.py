"""What the preprocessor makes of a text, and what it says of a wrong one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.c.preprocess import preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.frontend.c.preprocessed import Preprocessed
    from syscast.frontend.c.surroundings import Surroundings

NAME = "/virtual/main.c"


@dataclass
class Around:
    """What a preprocessor asks of the surroundings."""

    arch: str = "x86_64"
    version_code: int = 6 << 16 | 1 << 8
    files: dict[str, bytes] = field(default_factory=dict)

    def include(self, name: str, directory: str) -> tuple[str, bytes] | None:
        path = f"{directory}/{name}"
        return (path, self.files[path]) if path in self.files else None


def run(
    text: str | bytes,
    *cflags: str,
    files: Mapping[str, bytes] | None = None,
    macro: Callable[[str], str | None] | None = None,
    prelude: str = "",
    headers: Mapping[str, str] | None = None,
) -> Preprocessed:
    around = cast("Surroundings", Around(files=dict(files or {})))
    return preprocess(text, NAME, around, cflags, macro=macro, prelude=prelude, headers=headers)


def words(
    text: str | bytes, *cflags: str, macro: Callable[[str], str | None] | None = None
) -> str:
    return " ".join(token[1] for token in run(text, *cflags, macro=macro).tokens)


def error(text: str | bytes, *cflags: str, files: Mapping[str, bytes] | None = None) -> str:
    with pytest.raises(CompileError) as caught:
        run(text, *cflags, files=files)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#define A 1\nA B", "1 B"),
        ("#define F(x) x + x\nF(F(1))", "1 + 1 + 1 + 1"),
        ("#define F(x) x\nF\n(\n2\n)", "2"),
        ("#define F(x) x\nint F;", "int F ;"),
        ("#define A B\n#define B A\nA B", "A B"),
        ("#define f(a) a*g\n#define g(a) f(a)\nf(2)(9)", "2 * 9 * g"),
        ("#define C(a, b) a##b\nC(x, 1) C(, y) C(1, ULL)", "x1 y 1ULL"),
        ("#define O a ## b\nO", "ab"),
        ('#define S(x) #x\nS( a  +\n "b\\n" )', '"a + \\"b\\\\n\\""'),
        ("#define V(f, ...) f(1, ##__VA_ARGS__)\nV(p) V(p, 2, 3)", "p ( 1 ) p ( 1 , 2 , 3 )"),
        ("#define V(args...) g(args)\nV(1, (2, 3))", "g ( 1 , ( 2 , 3 ) )"),
        ("#define V(...) g(__VA_ARGS__)\nV()", "g ( )"),
        (
            "#define V(f, ...) f(1 __VA_OPT__(, (__VA_ARGS__) + f) )\nV(g) V(h, 2, 3)",
            "g ( 1 ) h ( 1 , ( 2 , 3 ) + h )",
        ),
        ("#if __has_include(<linux/bpf.h>) && !__has_builtin(__builtin_x)\n1\n#endif", "1"),
        (
            "#define NARGS(_1, _2, _3, n, ...) n\n#define N(...) NARGS(__VA_ARGS__, 3, 2, 1)\nN(a) N(a, b, c)",
            "1 3",
        ),
        ("x ^= 1ULL << 3; a.b->c...", "x ^= 1ULL << 3 ; a . b -> c ..."),
        ("// it's \"fine\nint a; /* don't\n */ b // again \\\n still\nc", "int a ; b c"),
        ("#define L 1 + \\\n  2\nL", "1 + 2"),
        ('"a\\\nb"', '"ab"'),
        ("'\"' '//' \"/* no */\"", "'\"' '//' \"/* no */\""),
        ("??= ??/", "? ? = ? ? /"),
        ("#undef A\n#define A 1\n#undef A\nA", "A"),
        ("__LINE__\n\n__LINE__", "1 3"),
        ("#define W __LINE__\n\nW", "3"),
        ("#if 0\nit's\n#elif 1 + 1 == 2\nyes\n#else\nno\n#endif", "yes"),
        ("#ifdef A\n1\n#else\n#ifndef B\n2\n#endif\n#endif", "2"),
        ("#if defined(A) || !defined B && 'a' == 97\n1\n#endif", "1"),
        ("#if 0x10ULL == 16u && -1 < 0 && (1 ? 2 : 3) == 2\n1\n#endif", "1"),
        ("#if UNKNOWN\n1\n#else\n2\n#endif", "2"),
        ("#include <linux/sched.h>\n#include <nowhere.h>\nint x;", "int x ;"),
        ("#pragma once\n#pragma clang diagnostic push\nx", "x"),
        ('_Pragma("GCC diagnostic push") x', "x"),
        ('#ident "x"\n# 1 "file"\n#line 3\nx', "x"),
        ("", ""),
        ("no newline at the end", "no newline at the end"),
        ("#define E\nE x E", "x"),
        ("#", ""),
    ],
)
def test_text(text: str, wanted: str) -> None:
    assert words(text) == wanted


def test_the_compiler_and_the_kernel_predefine_macros() -> None:
    assert (
        words(
            "#if __x86_64__ && __KERNEL__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__\n1\n#endif"
        )
        == "1"
    )
    assert words("#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)\n1\n#endif") == "1"
    assert words("#if LINUX_VERSION_CODE > KERNEL_VERSION(6, 1, 0)\n1\n#endif") == ""
    assert words("KBUILD_MODNAME") == '"bcc"'


def test_macros_are_asked_for_when_named() -> None:
    asked: list[str] = []

    def macro(name: str) -> str | None:
        asked.append(name)
        return {
            "CONFIG_A": "1",
            "CONFIG_M_MODULE": "1",
            "AF_INET": "2",
            "twice": "twice(x) (x * AF_INET)",
        }.get(name)

    assert words("#ifdef CONFIG_A\nAF_INET twice(y)\n#endif", macro=macro) == "2 ( y * 2 )"
    assert asked.count("AF_INET") == 1
    text = "IS_ENABLED(CONFIG_A) IS_ENABLED(CONFIG_M) IS_ENABLED(CONFIG_N) IS_BUILTIN(CONFIG_M) IS_MODULE(CONFIG_M)"
    assert words(text, macro=macro) == "( 1 || 0 ) ( 0 || 1 ) ( 0 || 0 ) 0 1"
    assert words("#if IS_ENABLED(CONFIG_N)\n1\n#else\n2\n#endif", macro=macro) == "2"
    assert words("#define AF_INET 3\nAF_INET", macro=macro) == "3"


def test_flags() -> None:
    assert words("A B C", "-DA", "-D", "B=2", "-DC=3", "-UC", "-O2", "-Wno-x") == "1 2 C"
    assert words("KBUILD_MODNAME", '-DKBUILD_MODNAME="x"') == '"x"'
    files = {"/i/a.h": b"#define A 5\n", "/j/b.h": b"int b = A;"}
    done = run('#include "b.h"\n', "-I/i", "-I", "/j", "-include", "a.h", files=files)
    assert [token[1] for token in done.tokens] == ["int", "b", "=", "5", ";"]
    assert set(done.sources) >= {"/i/a.h", "/j/b.h", NAME}


def test_a_file_that_a_flag_names_is_not_there() -> None:
    with pytest.raises(CompileError) as caught:
        run(
            "int a;",
            "-I/i",
            "-include",
            "a.h",
            "-imacros",
            "b.h",
            files={"/i/a.h": b""},
            prelude="int p;",
        )
    assert str(caught.value).startswith(
        "<cflags>:2:10: error: there is no file 'b.h'\n    2 | -imacros b.h\n      |          ^~~\n"
    )


def test_files_are_sought_beside_the_file_that_includes_them() -> None:
    files = {"/virtual/sub/a.h": b'#include "b.h"\n', "/virtual/sub/b.h": b"#pragma once\nint b;"}
    done = run('#include "sub/a.h"\n#include "sub/b.h"\nint c;', files=files)
    assert done.text.split() == ["int", "b;", "int", "c;"]
    line, column = next(token[2:] for token in done.tokens if token[1] == "b")
    assert str(done.places.span(line, column)) == "/virtual/sub/b.h:2:5"


def test_headers_that_have_a_text() -> None:
    done = run(
        "#include <bcc/proto.h>\nethernet_t", headers={"bcc/proto.h": "#define ethernet_t int\n"}
    )
    assert done.text.strip() == "int"


def test_a_prelude_defines_macros_and_declares() -> None:
    prelude = "#define HASH(name, ...) \\\n  struct { int key; } name\nstatic int zero;\n#define unused(\n"
    done = run("HASH(start, u32);", prelude=prelude)
    assert done.text.split() == [
        "static",
        "int",
        "zero;",
        "struct",
        "{",
        "int",
        "key;",
        "}",
        "start;",
    ]


def test_places_go_through_macros() -> None:
    done = run("#define F(x) (x + 1)\n int a = F(b);\n")
    places = {token[1]: done.places.span(*token[2:]) for token in done.tokens}
    assert str(places["a"]) == f"{NAME}:2:6"
    assert places["a"].end_column == 7
    assert str(places["+"]) == f"{NAME}:2:10"
    assert str(places["b"]) == f"{NAME}:2:12"
    assert str(places[";"]) == f"{NAME}:2:14"


def test_warnings_are_collected() -> None:
    assert run("#warning take care\n").warnings == (
        f"{NAME}:1:2: warning: #warning take care\n    1 | #warning take care\n      |  ^~~~~~~~~~~~~~~~~",
    )


def test_bytes_that_are_no_utf8_survive() -> None:
    done = run(b'// fine\n// \xff\nchar c[] = "\xe9";')
    assert done.warnings == (f"{NAME}:2: warning: byte 0xff is not UTF-8",)
    assert done.tokens[5][1].encode("utf-8", "surrogateescape") == b'"\xe9"'
    for shown in (done.text, *done.sources.values()):
        assert shown.encode()


def test_a_footer_stands_behind_the_text() -> None:
    done = preprocess(
        "int a;", NAME, cast("Surroundings", Around()), footer="int B;\n#ifdef A\n#endif\n"
    )
    assert [
        (token[1], token[2] >= done.footer) for token in done.tokens if token[0] == "CPP_ID"
    ] == [
        ("int", False),
        ("a", False),
        ("int", True),
        ("B", True),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#error no way\n", "1:2: error: #error no way"),
        ('\n  #include "x.h"', "2:12: error: there is no file 'x.h'"),
        ("#include\n", "error: #include without a file"),
        ("#include x\n", 'error: #include takes <file> or "file"'),
        ("#define\n", "1:2: error: #define without a name"),
        ("#define 3\n", "1:9: error: a macro cannot be named 3"),
        ("#define F(x,) x\n", "macro 'F': its parameters are not a list of names"),
        ("#ifdef\n#endif", "error: #ifdef without a name"),
        ("#if\n#endif", "error: #if without a condition"),
        ("#if 1 +\n#endif", "error: this condition is not a constant expression"),
        ("#if x y\n#endif", "error: this condition is not a constant expression"),
        ("#if 1 / 0\n#endif", "error: this condition is not a constant expression"),
        ("#if 1\n", "1:1: error: this condition has no #endif"),
        ("#endif\n", "error: misplaced #endif"),
        ("#else\n", "error: misplaced #else"),
        ("#elif 1\n", "error: misplaced #elif"),
        ("#foo\n", "error: unknown directive #foo"),
        ("#define F(x) x\nF(1, 2)", "2:1: error: macro 'F' takes 1 argument, 2 given"),
        ("#define F(x, y) x\nF()", "2:1: error: macro 'F' takes 2 arguments, 0 given"),
        ("#define F(x) x\n F(1", "2:2: error: the call of macro 'F' has no closing parenthesis"),
    ],
)
def test_errors(text: str, message: str) -> None:
    assert message in error(text)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ('__has_include("near.h")', True),
        ('__has_include ( "far.h" )', True),
        ('__has_include("nowhere.h")', False),
        ('!__has_include("nowhere.h") && 1', True),
        ("__has_include(<far.h>)", True),
        ("__has_include(<linux/nowhere.h>)", True),
        ("__has_include(<linux/far.h>)", True),
        ('__has_include("bcc/proto.h")', True),
        ("defined(__has_include) && defined __has_include", True),
        ("__has_include(NEAR)", True),
        ("__has_include(NOWHERE)", False),
        ("HAS(NOWHERE)", False),
        ('0 || __has_include("nowhere.h") || __has_include("near.h")', True),
    ],
)
def test_has_include_says_what_include_would_find(condition: str, wanted: bool) -> None:  # noqa: FBT001
    text = (
        '#define NEAR "near.h"\n#define NOWHERE "nowhere.h"\n#define far 1 +\n'
        f"#define HAS(x) __has_include(x)\n#if {condition}\nyes\n#else\nno\n#endif\n"
    )
    files = {"/virtual/near.h": b"", "/i/far.h": b""}
    done = run(text, "-I/i", files=files, headers={"bcc/proto.h": ""})
    assert [token[1] for token in done.tokens] == ["yes" if wanted else "no"]


@pytest.mark.parametrize("inside", ["", "x", "<x.h", '"x.h" 1', "1"])
def test_has_include_of_what_names_no_file(inside: str) -> None:
    found = error(f"\n#if 1 && __has_include({inside})\n#endif")
    assert '2:10: error: __has_include takes <file> or "file"' in found
    assert "~" in found or "^" in found


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("(1 << 10000000000) == 0", True),
        ("(1 << (1 << 62)) == 0 && (1U << 0xffffffffffff) == 0", True),
        ("1 << 64", False),
        ("(1 << 63) < 0 && (1U << 63) > 0", True),
        ("(1 >> 10000000000) == 0 && (-1 >> 10000000000) == -1", True),
        ("(3 << 2 >> 1) == 6", True),
    ],
)
def test_shifts_in_conditions_are_bounded(condition: str, wanted: bool) -> None:  # noqa: FBT001
    begin = time.monotonic()
    assert words(f"#if {condition}\nyes\n#else\nno\n#endif\n") == ("yes" if wanted else "no")
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("condition", ["1 << -1", "1U << -1", "1U >> -1", "2 >> -10000000000"])
def test_a_negative_shift_in_a_condition(condition: str) -> None:
    found = error(f"\n#if {condition}\n#endif")
    assert "2:5: error: this condition is not a constant expression of integers" in found
    assert "^" in found


def test_an_include_cycle_ends() -> None:
    found = error(
        '#include "a.h"', "-I/i", files={"/i/a.h": b'#include "b.h"', "/i/b.h": b'#include "a.h"'}
    )
    assert "it includes itself" in found


def bomb(levels: int) -> str:
    lines = [f"#define A{n} A{n + 1} A{n + 1}" for n in range(levels)]
    return "\n".join([*lines, "int x = A0;"])


@pytest.mark.parametrize(
    "text",
    [
        bomb(40),
        "#define F(x) x x x x\nint y = " + "F(" * 30 + "1" + ")" * 30,
        "#define F(x) x x\n" + "F(" * 300 + ")" * 300,
        "#define P(x) x##x\n#define F(x) P(x)\n" + "F(" * 40 + "a" + ")" * 40,
        "#define S(x) #x\n#define F(x) S(x)\n" + "F(" * 60 + '"' + "\\" * 2 + '"' + ")" * 60,
    ],
)
def test_a_macro_bomb_ends(text: str) -> None:
    begin = time.monotonic()
    found = error(text)
    assert "macro" in found
    assert time.monotonic() - begin < 10
