"""Large Fill and CopyBytes -> a helper call.

When: after every pass that makes them.
Why: LLVM's BPF back end unrolls at most 128 moves and ends its process on more; and beyond some
hundred bytes a call is shorter and as fast.
How: bpf_probe_read_kernel copies from any kernel address, so also from a map or the stack; zeros come
from the read-only data section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.ir import ops
from syscast.ir.config import CONFIG_SIZE
from syscast.ir.types import I64, U64, Const
from syscast.passes.editor import KERNEL, MAP, each_function
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Program
    from syscast.ir.types import Reg, Value
    from syscast.passes.editor import Editor

MAX_COPY = 64
"""Bytes that are still copied inline: 8 loads and 8 stores."""

MAX_FILL = 256
"""Bytes that are still zeroed inline: 32 stores."""

_MAX_STORES = 128
"""Of one Fill, by LLVM's BPF back end; those at odd places are of single bytes."""


def run(program: Program, btf: Btf) -> Program:
    """Replace what is too large."""
    zeros_at = max(len(program.data), CONFIG_SIZE) + 7 & -8
    zeros = 0

    def edit(editor: Editor) -> None:
        def visit(op: Op) -> bool:
            nonlocal zeros
            match op:
                case ops.Fill() if op.size > min(MAX_FILL, _MAX_STORES * _alignment(op.offset)):
                    zeros = max(zeros, op.size)
                    source = editor.register(MAP)
                    editor.add(ops.DataAddr(result=source, offset=zeros_at))
                    _copy(editor, _at(editor, op.ptr, op.offset), source, op.size)
                case ops.CopyBytes() if op.size > MAX_COPY:
                    source = _at(editor, op.src, op.src_offset)
                    _copy(editor, _at(editor, op.dst, op.dst_offset), source, op.size)
                case _:
                    return False
            return True

        editor.walk(visit)

    made = each_function(program, btf, Sites(program.sites), edit)
    if not zeros:
        return made
    data = program.data.ljust(zeros_at + zeros, b"\0")
    return msgspec.structs.replace(made, data=data)


def _alignment(offset: int) -> int:
    return min(8, offset & -offset) if offset else 8


def _copy(editor: Editor, target: Reg, source: Reg, size: int) -> None:
    address = editor.convert(source, KERNEL)
    editor.helper_void("probe_read_kernel", target, Const(size, U64), address)


def _at(editor: Editor, ptr: Value, offset: int) -> Reg:
    made = editor.register(ptr.type)
    editor.add(ops.Offset(result=made, ptr=ptr, delta=Const(offset, I64)))
    return made
