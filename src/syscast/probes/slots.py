"""Arguments in words of eight bytes from the context's start: fentry, fexit, tp_btf, raw_tp.

The kernel's ``btf_ctx_access`` (kernel/bpf/btf.c) lets a program load a word by the BTF type of
the parameter that lies there: integers, ``void *``, and pointers to structs, which it may then
follow. Pointers to anything else it refuses, some of them on old kernels only, so those words are probe
read; they lie in ordinary kernel memory. A struct passed by value takes as many words as it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from syscast.ir.program import ArgFrom, ArgumentSource
from syscast.probes.parameters import WORD, Parameter, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.btf.lookup import Btf
    from syscast.btf.types import FuncProto, Param


def word(found: Parameter, offset: int, *, typed: bool) -> ArgumentSource:
    """The argument at ``ctx + offset``.

    Args:
        found: The parameter.
        offset: In bytes.
        typed: Whether the verifier goes by BTF here.
    """
    probed = typed and (found.other_pointer or found.by_value or found.size > WORD)
    inside = found.by_value or found.size > WORD
    return ArgumentSource(
        name=found.name,
        type_id=found.type_id,
        offset=offset,
        size=min(found.size, WORD),
        signed=found.signed,
        trusted=typed and found.struct_pointer and not (found.user or found.percpu),
        user=found.user,
        where=ArgFrom.PROBED if probed and not inside else ArgFrom.CTX,
        ctype=found.ctype,
        array=found.size if inside else 0,
    )


def words(
    btf: Btf, params: Sequence[Param], *, typed: bool
) -> tuple[tuple[ArgumentSource, ...], int]:
    """The arguments of a prototype in order, and the number of words that they take."""
    sources = []
    taken = 0
    for number, param in enumerate(params):
        found = parameter(btf, param.type_id, param.name or f"arg{number}")
        sources.append(word(found, WORD * taken, typed=typed))
        taken += found.slots
    return tuple(sources), taken


def returned(btf: Btf, proto: FuncProto, offset: int) -> ArgumentSource | None:
    """The return value in the word at ``offset``; None for void.

    Never trusted: it may be an error number in a pointer's clothes, which a plain load would read
    as zeros.
    """
    if not btf.resolve(proto.return_id):
        return None
    found = parameter(btf, proto.return_id, "return")
    source = replace(word(found, offset, typed=True), trusted=False)
    if found.size > WORD:
        why = f"a return value of {found.size} bytes is not in one register"
        return replace(source, where=ArgFrom.NOWHERE, array=0, why=why)
    return source
