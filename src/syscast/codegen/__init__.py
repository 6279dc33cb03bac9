"""IR to a BPF object: LLVM text, debug info and CO-RE relocations, compiled in a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.codegen.child import Child
from syscast.codegen.llvmtext import module_text
from syscast.codegen.objectmeta import object_meta
from syscast.codegen.objfile import strip
from syscast.ir.check import Layer, check
from syscast.ir.program import C

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import Program

CPU = "v3"
"""Instruction set: 32-bit operations and jumps, which every kernel since 5.1 has."""


def build(
    program: Program,
    btf: Btf,
    *,
    cpu: str = CPU,
    child: Child | None = None,
    checked: bool = False,
) -> bytes:
    """Compile a program that went through the passes.

    Args:
        program: Primitive ops only.
        btf: The BTF that its types are ids of.
        cpu: ``v1``, ``v2`` or ``v3``.
        child: Compiles in it and leaves it running; else one is started and ended.
        checked: It comes straight from `syscast.passes.run`, which checks what it gives.

    Returns:
        An ELF object with .BTF, .BTF.ext and .syscast; equal input gives equal bytes.

    Raises:
        InternalError: The program is malformed, or LLVM cannot compile it.
        NotSupportedError: llvmlite is not installed.
    """
    if not checked:
        check(program, Layer.PRIMITIVE)
    text = module_text(program, btf, object_meta(program, btf))
    unroll = any(each.context is not None and each.context.kind == C for each in program.functions)
    if child is not None:
        return strip(child.compile(text, cpu, unroll=unroll))
    with Child() as own:
        return strip(own.compile(text, cpu, unroll=unroll))
