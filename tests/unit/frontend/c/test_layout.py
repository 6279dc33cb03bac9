"""Structs of C text lie as gcc lays them out; members of all sorts, at random."""

from __future__ import annotations

import platform
import random
import re
import shutil
import subprocess

import pytest

from syscast.frontend.c.types import Record, TypeProblem, find_member

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(
    GCC is None or platform.machine() != "x86_64", reason="gcc on x86_64 says what is right"
)
SCALARS = (
    "char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long",
    "unsigned long", "unsigned long long", "_Bool", "void *", "u8", "u16", "u32", "u64",
)  # fmt: skip
TYPEDEFS = (
    "typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;"
    " typedef unsigned long long u64;\n"
)
INTEGERS = [each for each in SCALARS if each != "void *"]
WIDTHS = {"char": 8, "unsigned char": 8, "u8": 8, "short": 16, "unsigned short": 16, "u16": 16,
          "int": 32, "unsigned int": 32, "u32": 32, "_Bool": 1}  # fmt: skip


class Writer:
    """Writes random structs, and remembers the ways to their members."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.number = 0

    def name(self):
        self.number += 1
        return f"m{self.number}"

    def attributes(self):
        return self.random.choice(
            ["", "", "", "", "__attribute__((packed))", "__attribute__((aligned(16)))",
             "__attribute__((packed, aligned(2)))", "__attribute__((aligned(4)))"]
        )  # fmt: skip

    def record(self, depth, prefix=""):
        """A body, and (path, is bit field) of each member."""
        lines, paths = [], []
        for _ in range(self.random.randint(1, 7)):
            self.member(depth, prefix, lines, paths)
        return "{ " + " ".join(lines) + " }", paths

    def member(self, depth, prefix, lines, paths):
        choice = self.random.random()
        attribute = self.random.choice(
            ["", "", "", "", "", "__attribute__((aligned(8)))", "__attribute__((packed))"]
        )
        if choice < 0.4:
            ctype = self.random.choice(INTEGERS)
            width = self.random.randint(1, WIDTHS.get(ctype, 64))
            if self.random.random() < 0.12:
                lines.append(f"{ctype} : {self.random.choice([0, width])};")
                return
            name = self.name()
            lines.append(f"{ctype} {name} : {width};")
            paths.append((prefix + name, True))
        elif choice < 0.6 and depth:
            kind = self.random.choice(["struct", "union"])
            if self.random.random() < 0.5:
                body, inner = self.record(depth - 1, prefix)
                lines.append(f"{kind} {body} {self.attributes()};")
                paths.extend(inner)
            else:
                name = self.name()
                body, inner = self.record(depth - 1, f"{prefix}{name}.")
                lines.append(f"{kind} {body} {self.attributes()} {name};")
                paths.extend([(prefix + name, False), *inner])
        else:
            name, ctype = self.name(), self.random.choice(SCALARS)
            array = self.random.choice(["", "", "", "[3]", "[2][5]", "[0]"])
            lines.append(f"{ctype} {name}{array} {attribute};")
            paths.append((prefix + name, False))


def place(record, path):
    """Bit offset and type of a member by its path."""
    at, found = 0, None
    for name in path.split("."):
        found = find_member(record if found is None else found.type, name)
        at += found.bit_offset
    return at, found


@needs_gcc
@pytest.mark.parametrize("seed", range(4))
def test_random_structs_lie_as_gcc_says(seed, declare, tmp_path):
    declarations, checks, expected = compose(seed, declare)
    main = ["#include <stdio.h>\n#include <stddef.h>\n#include <string.h>\n", TYPEDEFS, *declarations,
            ("static long first(void *p, size_t n, int last) { unsigned char *c = p; long found = -1;\n"
            " for (size_t i = 0; i < 8 * n; i++) if (c[i / 8] >> i % 8 & 1) { found = i; if (!last) break; }\n"
            " return found; }\nint main(void) {\n"), *checks, "return 0; }\n"]  # fmt: skip
    (tmp_path / "t.c").write_text("".join(main))
    subprocess.run([GCC, "-w", "-O0", "-o", tmp_path / "t", tmp_path / "t.c"], check=True)
    said = subprocess.run([tmp_path / "t"], check=True, capture_output=True, text=True).stdout
    for line, ours in zip(said.splitlines(), expected, strict=True):
        assert line == ours, declarations[int(re.match(r"\d+", ours)[0])]


CLANG = shutil.which("clang")


def clang_for_aarch64(text):
    """What clang makes of a text for aarch64, as assembly; None without such a clang."""
    command = [CLANG, "--target=aarch64-linux-gnu", "-w", "-O0", "-S", "-x", "c", "-o", "-", "-"]
    made = CLANG and subprocess.run(
        command, input=text, capture_output=True, text=True, check=False
    )
    return made.stdout if made and not made.returncode else None


@pytest.mark.skipif(not clang_for_aarch64("int x;"), reason="clang for aarch64 says what is right")
@pytest.mark.parametrize("seed", range(4))
def test_random_structs_lie_on_aarch64_as_clang_says(seed, declare, make_kernel):
    arm = make_kernel(declare("").names.kernel.kernel.btf, arch="aarch64")
    writer = Writer(seed)
    texts, numbers, ours = [], [], []
    for number in range(80):
        body, paths = writer.record(2)
        kind = writer.random.choice(["struct", "struct", "union"])
        texts.append(f"{kind} s{number} {body} {writer.attributes()};\n")
        record = declare(TYPEDEFS + texts[-1], arm).names.tag(kind, f"s{number}")
        tag = f"{kind} s{number}"
        numbers += [f"sizeof({tag})", f"_Alignof({tag})"]
        ours += [(number, record.size), (number, record.align)]
        for path, is_bits in paths:
            if not is_bits:
                numbers.append(f"__builtin_offsetof({tag}, {path})")
                ours.append((number, place(record, path)[0] // 8))
    source = f"{TYPEDEFS}{''.join(texts)}unsigned long long v[] = {{ {', '.join(numbers)}, 1 }};\n"
    said = [int(each, 0) for each in re.findall(r"\.xword\s+(\w+)", clang_for_aarch64(source))]
    for (number, mine), theirs, what in zip(ours, said[:-1], numbers, strict=True):
        assert mine == theirs, f"{what}: {texts[number]}"


def compose(seed, declare, count=60):
    """Declarations, C that prints where members lie, and the lines that we expect of it."""
    writer = Writer(seed)
    declarations, checks, expected = [], [], []
    for number in range(count):
        body, paths = writer.record(2)
        kind = writer.random.choice(["struct", "struct", "union"])
        text = f"{kind} s{number} {body} {writer.attributes()};\n"
        if number % 4 == 0:
            pack = writer.random.choice([1, 2, 4, 8])
            text = f"#pragma pack({pack})\n{text}#pragma pack()\n"
        declarations.append(text)
        record = declare(TYPEDEFS + text).names.tag(kind, f"s{number}")
        assert isinstance(record, Record)
        tag = f"{kind} s{number}"
        checks.append(f'printf("{number} %zu %zu\\n", sizeof({tag}), _Alignof({tag}));\n')
        expected.append(f"{number} {record.size} {record.align}")
        for path, is_bits in paths:
            at, found = place(record, path)
            if is_bits:
                checks.append(
                    f"{{ {tag} v; memset(&v, 0, sizeof v); v.{path} = -1;"
                    f' printf("{number} {path} %ld %ld\\n", first(&v, sizeof v, 0), first(&v, sizeof v, 1)); }}\n'
                )
                expected.append(f"{number} {path} {at} {at + found.bit_size - 1}")
            else:
                checks.append(
                    f'printf("{number} {path} %zu %zu\\n", offsetof({tag}, {path}), sizeof((({tag} *)0)->{path}));\n'
                )
                expected.append(f"{number} {path} {at // 8} {found.type.size}")
    return declarations, checks, expected


def test_units_of_bit_fields_lie_inside_of_their_record(declare):
    text = "struct s { char a; unsigned b : 9; unsigned c : 15; } __attribute__((packed));"
    record = declare(text).names.tag("struct", "s")
    assert record.size == 4
    field = find_member(record, "b").bit_field
    assert (field.offset, field.unit, field.shift, field.width) == (1, 2, 0, 9) or (
        field.offset + field.unit <= 4
    )
    for name in ("b", "c"):
        unit = find_member(record, name).bit_field
        assert unit.offset + unit.unit <= record.size
        assert unit.shift + unit.width <= 8 * unit.unit


def test_flexible_members_and_pragma_pack(declare):
    text = declare(
        "struct s { int n; char data[]; };\n"
        "#pragma pack(1)\nstruct p { char a; int b; };\n#pragma pack()\nstruct q { char a; int b; };\n"
    )
    flexible = text.names.tag("struct", "s")
    assert flexible.size == 4
    assert find_member(flexible, "data").offset == 4
    assert text.names.tag("struct", "p").size == 5
    assert text.names.tag("struct", "q").size == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct s { int a : 33; };", "bit field 'a' cannot have 33 bits: its type has 32"),
        ("struct s { int a : 0; };", "bit field 'a' cannot have 0 bits: its type has 32"),
        ("struct s { char *a : 3; };", "bit field 'a' cannot have the type 'char *'"),
        ("struct s { int a; char a; };", "'struct s' has two members 'a'"),
        ("struct s { int a[]; char b; };", "only the last member can have no length, not 'a'"),
        ("struct s { struct t x; };", "'struct t' is incomplete"),
        ("struct s { int a; }; struct s { int b; };", "redefinition of 'struct s'"),
        ("struct s { void a; };", "member 'a' cannot be void"),
        ("int a[-1];", "an array cannot have -1 elements"),
        ("int a[1 << 30][1 << 10];", "an array is larger than 4 GiB"),
        (
            "struct s { int a; } __attribute__((aligned(3)));",
            "an alignment must be a power of two",
        ),
        ("enum e { A, B, A };", "'A' is declared twice"),
    ],
)
def test_wrong_declarations(declare, text, message):
    with pytest.raises(TypeProblem, match=re.escape(message)):
        declare(text)
