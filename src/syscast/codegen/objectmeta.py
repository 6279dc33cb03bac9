"""The content of the section ``.syscast``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.btf import types
from syscast.ir import ops
from syscast.ir.config import CONFIG, CONFIG_SIZE
from syscast.spec.meta import ObjectMeta, ProgramMeta

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import Program


def object_meta(program: Program, btf: Btf) -> bytes:
    """Describe a program as msgpack of `syscast.spec.meta.ObjectMeta`."""
    programs = tuple(
        ProgramMeta(
            name=function.name,
            id=function.id,
            probe=function.probe,
            kind=function.context.kind,
            target=function.context.target,
            role=function.role,
        )
        for function in program.functions
        if function.context is not None
    )
    meta = ObjectMeta(
        schemas=program.schemas,
        sites=program.sites,
        programs=programs,
        config=CONFIG if _uses_config(program) else (),
        arch=program.arch,
        states=program.states,
        tables=program.tables,
        btf_identity=(btf.base or btf).key if _is_fixed(program, btf) else "",
    )
    return msgspec.msgpack.encode(meta)


def _uses_config(program: Program) -> bool:
    return any(
        isinstance(op, ops.DataAddr) and op.offset < CONFIG_SIZE
        for function in program.functions
        for block in function.blocks
        for op in block.ops
    )


def _is_fixed(program: Program, btf: Btf) -> bool:
    """Whether offsets are built in: the kind's, or of a struct with no name to relocate by."""
    if any(each.context is not None and each.context.kernel_bound for each in program.functions):
        return True
    return any(
        isinstance(op, ops.FieldLoad | ops.FieldAddr) and not _named(op.field.root, btf)
        for function in program.functions
        for block in function.blocks
        for op in block.ops
    )


def _named(type_id: int, btf: Btf) -> bool:
    found = btf.type(btf.resolve(type_id))
    return isinstance(found, types.Struct) and bool(found.name)
