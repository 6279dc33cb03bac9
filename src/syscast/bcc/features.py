"""What a kernel can do, asked as bcc's scripts ask: by truly trying, and by looking into BTF."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from syscast.bcc.arguments import Name, as_bytes
from syscast.btf import source, types
from syscast.errors import SyscastError
from syscast.features.probing import supported
from syscast.symbols import kallsyms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.btf.lookup import Btf
    from syscast.btf.types import Kind

UNKNOWN = -1


def support_kfunc() -> bool:
    """Whether programs attach to functions by BTF (fentry, fexit)."""
    return supported("fentry")


def support_lsm() -> bool:
    """Whether programs attach to security hooks."""
    return supported("lsm")


def support_fmod_ret() -> bool:
    """Whether programs can replace the result of functions."""
    return (
        supported("fentry") and kernel_enum_has_val(b"bpf_attach_type", b"BPF_MODIFY_RETURN") == 1
    )


def support_raw_tracepoint() -> bool:
    """Whether programs attach to raw tracepoints."""
    return supported("raw_tracepoint")


def support_raw_tracepoint_in_module() -> bool:
    """Whether raw tracepoints of modules are found too."""
    return bool(kallsyms.kernel().find("bpf_trace_modules"))


def kernel_struct_has_field(struct_name: Name, field_name: Name) -> int:
    """1 where a struct or union of the kernel has a member, 0 where not, -1 where it is not known."""
    name, field = os.fsdecode(as_bytes(struct_name)), os.fsdecode(as_bytes(field_name))
    answers = [
        int(_has_member(btf, type_id, field)) for btf, type_id in _every(name, types.Struct)
    ]
    return max(answers, default=UNKNOWN)


def kernel_enum_has_val(enum_name: Name, value_name: Name) -> int:
    """1 where an enum of the kernel has an enumerator, 0 where not, -1 where it is not known."""
    name, value = os.fsdecode(as_bytes(enum_name)), os.fsdecode(as_bytes(value_name))
    answers = []
    for btf, type_id in _every(name, types.Enum):
        held = btf.type(type_id)
        if isinstance(held, types.Enum):
            answers.append(int(any(each.name == value for each in held.values)))
    return max(answers, default=UNKNOWN)


def _every(name: str, kind: Kind) -> Iterator[tuple[Btf, int]]:
    try:
        kernel = source.kernel()
    except SyscastError:
        return
    for type_id in kernel.find_all(name, kind):
        yield kernel, type_id


def _has_member(btf: Btf, type_id: int, name: str) -> bool:
    """Whether a member is in a struct, or in an anonymous one inside."""
    held = btf.type(btf.resolve(type_id))
    if not isinstance(held, types.Struct):
        return False
    return any(
        member.name == name or (not member.name and _has_member(btf, member.type_id, name))
        for member in held.members
    )
