"""The operands of <sys/sdt.h> on both machines."""

from __future__ import annotations

import pytest

from syscast.elf import EM_AARCH64, EM_X86_64
from syscast.symbols import sdtoperands
from syscast.symbols.sdtoperands import CONSTANT, HERE, MEMORY, REGISTER, UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-4@$5", (4, True, CONSTANT, {"number": 5})),
        ("8@$-1", (8, False, CONSTANT, {"number": -1})),
        ("4@$0x10", (4, False, CONSTANT, {"number": 16})),
        ("8@%rdi", (8, False, REGISTER, {"register": "di"})),
        ("-4@%eax", (4, True, REGISTER, {"register": "ax"})),
        ("1@%ah", (1, False, REGISTER, {"register": "ax", "byte": 1})),
        ("1@%sil", (1, False, REGISTER, {"register": "si"})),
        ("-2@%r10w", (2, True, REGISTER, {"register": "r10"})),
        ("8@(%rbx)", (8, False, MEMORY, {"register": "bx"})),
        ("-4@-1204(%rbp)", (4, True, MEMORY, {"register": "bp", "number": -1204})),
        (
            "8@16(%rax,%r12,8)",
            (8, False, MEMORY, {"register": "ax", "number": 16, "indexed": "r12", "scale": 8}),
        ),
        ("8@8(,%rdx,4)", (8, False, MEMORY, {"number": 8, "indexed": "dx", "scale": 4})),
        ("8@(%rax,%rdx)", (8, False, MEMORY, {"register": "ax", "indexed": "dx"})),
        ("-4@global(%rip)", (4, True, MEMORY, {"register": HERE, "symbol": "global"})),
        (
            "8@ns.table+24(%rip)",
            (8, False, MEMORY, {"register": HERE, "symbol": "ns.table", "number": 24}),
        ),
        ("8@-8+table(%rip)", (8, False, UNKNOWN, {})),
        ("8@24(%rip)", (8, False, UNKNOWN, {})),
        ("8f@%xmm0", (8, False, UNKNOWN, {"floating": True})),
        ("16@%xmm0", (16, False, UNKNOWN, {})),
        ("8@%k1", (8, False, UNKNOWN, {})),
    ],
)
def test_operands_of_x86(text, expected):
    (found,) = sdtoperands.arguments(text, EM_X86_64)
    size, signed, kind, more = expected
    assert found == sdtoperands.Operand(text, size, signed, kind=kind, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-4@5", (4, True, CONSTANT, {"number": 5})),
        ("8@x0", (8, False, REGISTER, {"register": "regs[0]"})),
        ("-4@w30", (4, True, REGISTER, {"register": "regs[30]"})),
        ("8@sp", (8, False, REGISTER, {"register": "sp"})),
        ("8@[x19]", (8, False, MEMORY, {"register": "regs[19]"})),
        ("-4@[sp, -12]", (4, True, MEMORY, {"register": "sp", "number": -12})),
        ("8@[x1,16]", (8, False, MEMORY, {"register": "regs[1]", "number": 16})),
        (
            "8@[x1, x2, lsl 3]",
            (8, False, MEMORY, {"register": "regs[1]", "indexed": "regs[2]", "scale": 8}),
        ),
        ("8@[x1, x2]", (8, False, MEMORY, {"register": "regs[1]", "indexed": "regs[2]"})),
        ("8@x31", (8, False, UNKNOWN, {})),
        ("8f@d0", (8, False, UNKNOWN, {"floating": True})),
    ],
)
def test_operands_of_aarch64(text, expected):
    (found,) = sdtoperands.arguments(text, EM_AARCH64)
    size, signed, kind, more = expected
    assert found == sdtoperands.Operand(text, size, signed, kind=kind, **more)


def test_several_arguments_with_blanks_inside():
    found = sdtoperands.arguments("8@[sp, 8] -4@w1 1@[x0, x1, lsl 2]", EM_AARCH64)
    assert [each.text for each in found] == ["8@[sp, 8]", "-4@w1", "1@[x0, x1, lsl 2]"]
    assert sdtoperands.arguments("", EM_X86_64) == ()
    assert sdtoperands.arguments("nonsense", EM_X86_64) == ()
    assert len(sdtoperands.arguments("8@%rax " * 12, EM_X86_64)) == 12


@pytest.mark.parametrize(
    ("text", "ctype"),
    [("1@$1", "unsigned char"), ("-1@$1", "signed char"), ("-2@$1", "short"), ("4@$1", "unsigned int"),
     ("-8@$1", "long"), ("4f@%xmm0", "float"), ("8f@%xmm0", "double"), ("16@%xmm0", "")],
)  # fmt: skip
def test_types_of_c(text, ctype):
    assert sdtoperands.arguments(text, EM_X86_64)[0].ctype == ctype
