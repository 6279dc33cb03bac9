"""LLVM ends its process on some input instead of saying no. It must never be the user's process.

Each of the six cases is given to the compiler as LLVM IR and, where the IR of a program can say it, as a whole compile.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sketch import Kernel, Sketch, program, raw

from syscast import codegen
from syscast.codegen.child import Child
from syscast.errors import InternalError
from syscast.ir import ops
from syscast.ir.ops import BinaryOp
from syscast.ir.types import I64, U64, Const, IntType, PtrType, Space

HEAD = """\
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
SIX = "i64 %a, i64 %b, i64 %a, i64 %b, i64 %a, i64 %b"
FATAL = {
    "signed division": "  %c = sdiv i64 %a, %b\n  ret i64 %c",
    "stack over 512 bytes": (
        "  %s = alloca [600 x i8], align 8\n"
        "  %c = call i64 inttoptr (i64 4 to ptr)(ptr %s, i64 600, i64 %a)\n  ret i64 %c"
    ),
    "more than 5 arguments": f"  %c = call i64 inttoptr (i64 6 to ptr)({SIX})\n  ret i64 %c",
    "i128": (
        "  %w = sext i64 %a to i128\n  %v = sext i64 %b to i128\n  %p = mul i128 %w, %v\n"
        "  %h = lshr i128 %p, 64\n  %c = trunc i128 %h to i64\n  ret i64 %c"
    ),
    "floats": (
        "  %x = sitofp i64 %a to double\n  %y = fmul double %x, 1.5\n"
        "  %c = fptosi double %y to i64\n  ret i64 %c"
    ),
    "memcpy of variable length": (
        "  %p = inttoptr i64 %a to ptr\n  %q = inttoptr i64 %b to ptr\n"
        "  call void @llvm.memcpy.p0.p0.i64(ptr %p, ptr %q, i64 %a, i1 false)\n  ret i64 0"
    ),
}


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


def state() -> tuple[list[str], set[str]]:
    """Open descriptors, and processes that are this one's children."""
    own = str(os.getpid())
    children = set()
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                fields = (each / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if fields[1] == own:
                children.add(each.name)
    return sorted(os.listdir("/proc/self/fd")), children  # noqa: PTH208


def refused(text: str) -> InternalError:
    with pytest.raises(InternalError) as caught, Child() as child:
        child.compile(text, "v3")
    return caught.value


@pytest.mark.parametrize("body", FATAL.values(), ids=FATAL.keys())
def test_the_process_lives_and_nothing_is_left(body: str) -> None:
    before = state()
    text = f"{HEAD}define i64 @probe(i64 %a, i64 %b) {{\n{body}\n}}\n"
    error = refused(text)
    assert "LLVM" in str(error)
    assert state() == before


@pytest.mark.parametrize("body", FATAL.values(), ids=FATAL.keys())
def test_the_next_compile_works(body: str) -> None:
    good = f"{HEAD}define i64 @probe(i64 %a, i64 %b) {{\n  ret i64 %b\n}}\n"
    refused(f"{HEAD}define i64 @probe(i64 %a, i64 %b) {{\n{body}\n}}\n")
    with Child() as child:
        assert child.compile(good, "v3").startswith(b"\x7fELF")


def divided(kernel):
    s = Sketch(kernel)
    made = s.op(ops.Binary, I64, op=BinaryOp.SDIV, a=s.argument(0, I64), b=s.argument(1, I64))
    s.op(ops.Return, value=made)
    return s


def wide(kernel):
    s = Sketch(kernel)
    huge = IntType(128, signed=False)
    a, b = (s.op(ops.Convert, huge, a=s.argument(n, U64)) for n in (0, 1))
    product = s.op(ops.Binary, huge, op=BinaryOp.MUL, a=a, b=b)
    high = s.op(ops.Binary, huge, op=BinaryOp.LSHR, a=product, b=Const(64, huge))
    s.op(ops.Return, value=s.op(ops.Convert, U64, a=high))
    return s


def deep(kernel):
    s = Sketch(kernel)
    address = s.op(ops.SlotAddr, PtrType(Space.STACK), slot=s.slot("huge", None, 600))
    size = Const(600, U64)
    s.op(ops.Helper, U64, name="probe_read_kernel", args=(address, size, s.argument(0, U64)))
    s.op(ops.Return)
    return s


@pytest.mark.parametrize("make", [divided, wide, deep], ids=lambda make: make.__name__)
def test_a_program_that_llvm_dies_of(kernel, make) -> None:
    """Codegen is given what no pass lets through: signed division, 128 bits, a slot of 600 bytes."""
    before = state()
    made = program(make(kernel).function(raw()))
    with pytest.raises(InternalError, match="please report it") as caught:
        codegen.build(without_arguments(made), kernel.btf)
    assert "LLVM" in str(caught.value)
    assert state() == before


def without_arguments(made):
    from syscast.passes import context  # noqa: PLC0415  (only the prologue is wanted)

    return context.run(made, None)
