"""A program of primitive IR as the text of one LLVM module.

Pure text: llvmlite is only in the child that compiles it. Choices that the verifier forces:

- Slots are allocas that LLVM's mem2reg turns into registers.
- Nothing is marked nsw, nuw or exact, and a null pointer is a valid address
  (``null_pointer_is_valid``): LLVM may not conclude from a load that a NULL test is superfluous.
- No jump tables and no lookup tables: BPF has no place for them.
- The config is ``externally_initialized``, or LLVM would fold its zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.codegen.debuginfo import DebugInfo, map_numbers
from syscast.codegen.functiontext import CONFIG_GLOBAL, FunctionText
from syscast.codegen.metadata import quoted
from syscast.codegen.relocations import Relocations

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import Program
    from syscast.spec.objectspec import MapSpec

_HEAD = """\
source_filename = "syscast"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"
"""
_TAIL = """\
declare i64 @llvm.bpf.passthrough.i64.i64(i32, i64)
declare ptr @llvm.bpf.passthrough.p0.p0(i32, ptr)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
attributes #0 = { nounwind null_pointer_is_valid "no-jump-tables"="true" "no-builtins" }
attributes #1 = { "btf_ama" }
attributes #2 = { "btf_type_id" }
"""
_FLAGS = ('!{i32 7, !"Dwarf Version", i32 5}', '!{i32 2, !"Debug Info Version", i32 3}')


def module_text(program: Program, btf: Btf, meta: bytes) -> str:
    """The module of a program.

    Args:
        program: Checked as `syscast.ir.check.Layer.PRIMITIVE`.
        btf: What it was compiled against.
        meta: Content of the section ``.syscast``.
    """
    debug = DebugInfo(program, btf)
    relocations = Relocations(debug, btf)
    relocations.note(program)
    lines = [_HEAD]
    for spec in program.maps:
        node = debug.map_definition(spec)
        lines.append(
            f"@{quoted(spec.name)} = dso_local global {_map_content(spec)},"
            f' section ".maps", align 8, !dbg {node}'
        )
    if program.data:
        node = debug.data_definition(CONFIG_GLOBAL, len(program.data))
        lines.append(
            f"@{CONFIG_GLOBAL} = dso_local externally_initialized constant"
            f" [{len(program.data)} x i8] c{quoted(program.data)},"
            f' section ".rodata", align 8, !dbg {node}'
        )
    lines.append('@_license = dso_local global [4 x i8] c"GPL\\00", section "license"')
    if meta:
        lines.append(
            f"@_syscast = dso_local constant [{len(meta)} x i8] c{quoted(meta)},"
            ' section ".syscast", align 1'
        )
    bodies: list[str] = []
    intrinsics: set[str] = set()
    passthroughs = 0
    for function in program.functions:
        text = FunctionText(function, debug, relocations, passthroughs)
        bodies.append(text.text())
        passthroughs = text.passthroughs
        intrinsics |= text.intrinsics
    lines += relocations.lines()
    lines += bodies
    lines += sorted(intrinsics)
    lines.append(_TAIL)
    lines += debug.finish(_FLAGS)
    return "\n".join(lines) + "\n"


def _map_content(spec: MapSpec) -> str:
    """Type and initial value of a map's variable; only maps of maps hold something."""
    if not spec.slots:
        return "[5 x ptr] zeroinitializer"
    before = len(map_numbers(spec))
    held = ["ptr null"] * before + [f"ptr @{quoted(name)}" for _, name in spec.slots]
    return f"[{len(held)} x ptr] [{', '.join(held)}]"
