"""Constant expressions come to what gcc says they do, values and types."""

from __future__ import annotations

import platform
import random
import shutil
import subprocess

import pytest

from syscast.frontend.c.types import Pointer, TypeProblem

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(
    GCC is None or platform.machine() != "x86_64", reason="gcc on x86_64 says what is right"
)
DECLARED = """
typedef unsigned char u8; typedef unsigned long long u64;
enum colour { RED, GREEN = 5, BLUE, LOW = -3 };
struct point { int x; char y[6]; struct { short z; long w[3]; } in; };
"""
LEAVES = (
    "0", "1", "7", "0x7fffffff", "2147483648", "0x80000000", "4294967295u", "017", "0b101", "1L",
    "3ul", "0xffffffffffffffff", "9223372036854775807", "5ull", "10LL", "'a'", "'\\n'", "'\\x7f'",
    "'\\377'", "'ab'", "RED", "BLUE", "LOW", "sizeof(int)", "sizeof(struct point)", "_Alignof(long)",
    "sizeof(u8[3])", "offsetof(struct point, in.w[2])", "offsetof(struct point, y)",
    "sizeof(((struct point *)0)->y)", "(unsigned long)&((struct point *)0)->in.z", 'sizeof "abc"',
    "((char *)&((struct point *)16)->in - (char *)4)",
)  # fmt: skip
CASTS = ("char", "u8", "short", "unsigned", "long", "u64", "int", "_Bool", "enum colour")
BINARY = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||")  # fmt: skip


def expression(rng, depth):
    choice = rng.random()
    if not depth or choice < 0.15:
        return rng.choice(LEAVES)
    if choice < 0.3:
        return f"({rng.choice(['-', '+', '~', '!'])}{expression(rng, depth - 1)})"
    if choice < 0.42:
        return f"(({rng.choice(CASTS)})({expression(rng, depth - 1)}))"
    if choice < 0.5:
        parts = [expression(rng, depth - 1) for _ in range(3)]
        return f"({parts[0]} ? {parts[1]} : {parts[2]})"
    op = rng.choice(BINARY)
    left, right = expression(rng, depth - 1), expression(rng, depth - 1)
    if op in {"<<", ">>"}:
        right = f"(({right}) & 31)"
    if op in {"/", "%"}:
        right = f"(({right}) | 1)"
    return f"({left} {op} {right})"


TYPE_NUMBERS = {
    "char": 1, "unsigned char": 2, "short": 3, "unsigned short": 4, "int": 5, "unsigned int": 6,
    "long": 7, "unsigned long": 8, "long long": 9, "unsigned long long": 10, "_Bool": 11,
}  # fmt: skip


@needs_gcc
@pytest.mark.parametrize("seed", range(3))
def test_random_expressions_are_what_gcc_says(seed, declare, tmp_path):
    rng = random.Random(seed)
    evaluate = evaluator(declare)
    texts, expected = [], []
    while len(texts) < 400:
        text = expression(rng, 4)
        found = evaluate(text)
        if found is None:  # divided by zero
            continue
        plain = {"enum colour": "int", "size_t": "unsigned long"}
        spelling = plain.get(found.type.spelling, found.type.spelling)
        number = TYPE_NUMBERS[plain.get(spelling, getattr(found.type, "name", spelling))]
        texts.append(text)
        expected.append(f"{found.value & (1 << 64) - 1:x} {number}")
    cases = ", ".join(f"{name}: {number}" for name, number in TYPE_NUMBERS.items())
    lines = [
        f'printf("%llx %d\\n", (unsigned long long)({text}), _Generic(({text}), {cases}));'
        for text in texts
    ]
    (tmp_path / "t.c").write_text(
        f"#include <stdio.h>\n#include <stddef.h>\n{DECLARED}\nint main(void) {{\n"
        + "\n".join(lines)
        + "\nreturn 0; }\n"
    )
    subprocess.run(
        [GCC, "-w", "-fwrapv", "-O0", "-o", tmp_path / "t", tmp_path / "t.c"], check=True
    )
    said = subprocess.run([tmp_path / "t"], check=True, capture_output=True, text=True).stdout
    for text, theirs, ours in zip(texts, said.splitlines(), expected, strict=True):
        assert ours == theirs, text


def evaluator(declare):
    """Evaluate an expression behind the declarations."""
    holder = declare(DECLARED)

    def evaluate(text):
        node = holder.expression(text)
        return holder.declarations.constants.value(node)

    return evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ntohs(0x1234)", 0x3412),
        ("__builtin_bswap32(1)", 0x01000000),
        ("htonl(0x01020304)", 0x04030201),
        ("0 && RED / 0", 0),
        ("__builtin_types_compatible_p(u8, unsigned char)", 1),
        ("__builtin_choose_expr(sizeof(int) == 4, 7, 8)", 7),
        ("1 << 33", 2),
        ("(unsigned char)300 + 1", 45),
        ("-1 > 1u", 1),
        ("-8 >> 1", -4),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
    ],
)
def test_values(declare, text, value):
    assert evaluator(declare)(text).value == value


def test_addresses_keep_their_type(declare):
    found = evaluator(declare)("&((struct point *)64)->in.w[1]")
    assert (found.value, found.type.spelling) == (64 + 32, "long *")
    array = evaluator(declare)("((struct point *)64)->y")
    assert (array.value, array.type) == (68, Pointer(array.type.to))


@pytest.mark.parametrize("text", ["1 / 0", "f()", "1.5", '"abc"', "(1, 2)", "undeclared"])
def test_what_is_not_constant(declare, text):
    assert evaluator(declare)(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int a[f()];", "the length of an array must be an integer constant"),
        ("int a[BLU];", "'BLU' is not declared"),
        ("int a[1.5];", "the length of an array must be an integer constant"),
        ("int a[sizeof(struct nothing)];", "'struct nothing' is incomplete"),
        ("int a[offsetof(struct point, no)];", "'struct point' has no member 'no'"),
        ("struct b { int c : 3; }; int a[offsetof(struct b, c)];", "'c' is a bit field"),
        ("int a[99999999999999999999];", "no integer type holds it"),
        ("enum e { A = 1 / 0 };", "the value of 'A' must be an integer constant"),
    ],
)
def test_wrong_constants(declare, text, message):
    with pytest.raises(TypeProblem, match=message) as caught:
        declare(DECLARED + text)
    if "BLU" in text:
        assert "BLUE" in caught.value.hint


def test_characters_are_unsigned_on_aarch64(declare, make_kernel):
    kernel = make_kernel(declare("").names.kernel.kernel.btf, arch="aarch64")
    assert declare("int a = '\\377';", kernel).value == 255
    assert declare("int a = '\\377';").value == -1
