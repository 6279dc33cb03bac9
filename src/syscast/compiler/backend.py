"""The back half of a compile: passes, then codegen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast import codegen, passes

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.codegen.child import Child
    from syscast.ir.program import Program


def build_object(program: Program, btf: Btf, *, child: Child | None = None) -> bytes:
    """Compile IR as a front end lowered it to an ELF object.

    Args:
        program: What to compile.
        btf: What its type ids are of.
        child: A running compiler; else one is started.

    Raises:
        InternalError: A bug of a front end, a pass or codegen.
        TargetError: The kernel's BTF lacks a struct member that a pass needs.
        NotSupportedError: llvmlite cannot be imported.
    """
    return codegen.build(passes.run(program, btf), btf, child=child, checked=True)
