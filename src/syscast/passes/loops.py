"""Large loops -> callbacks of bpf_loop.

When: last, on primitives: what a loop's body costs is known, and so is all that it needs from outside.
Why: the verifier walks a loop round by round and gives up after a million instructions. It looks at a
callback of bpf_loop once, whatever the number of rounds (Linux kernel commit e6f2dd0f8067 ("bpf: Add
bpf_loop helper") (in v5.17)).
How: a loop whose limit times its ops is over `WALKED` is cut out (see ``cutting``), the inner ones first.
Where the BTF compiled against has no bpf_loop, loops stay as they are and the verifier walks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.btf.types import Enum
from syscast.passes.cutting import cut, next_register
from syscast.passes.hiding import hide
from syscast.passes.naturalloops import natural_loop

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.program import Function, Program

WALKED = 2048
"""Ops, rounds counted, that are left to the verifier: each is an instruction or a few, on several paths.

Kernels before v6.7 keep few states of a loop and walk much of it again for each branch in the body.
"""
_CALL = 40
"""Ops that stand for a loop that was cut out."""


def run(program: Program, btf: Btf) -> Program:
    """Cut large loops out, where the kernel can call them."""
    if not any(function.loops for function in program.functions):
        return program
    cuts = _has_loop(btf)
    made: list[Function] = []
    for function in program.functions:
        made += _cut_large(function, cuts=cuts)
    return msgspec.structs.replace(program, functions=tuple(made))


def _has_loop(btf: Btf) -> bool:
    found = btf.find("bpf_func_id", Enum)
    kind = btf.type(found) if found else None
    return isinstance(kind, Enum) and any(each.name == "BPF_FUNC_loop" for each in kind.values)


def _cut_large(function: Function, *, cuts: bool) -> list[Function]:
    """The function without its large loops, and these."""
    found = [(loop, natural_loop(function, loop.head)) for loop in function.loops]
    nested = sorted((each for each in found if each[1]), key=lambda each: len(each[1]))
    sizes = {block.label: len(block.ops) for block in function.blocks}
    callbacks: list[Function] = []
    for loop, body in nested:
        cost = loop.limit * sum(sizes.get(label, 0) for label in body)
        if cost <= WALKED or not cuts:
            function = hide(function, loop, body, next_register(function))
            # To a loop around it, the body counts once for each round.
            sizes[loop.head] += max(0, cost - sum(sizes.get(label, 0) for label in body))
            continue
        name = f"{function.name}_loop{len(callbacks)}"
        labels = natural_loop(function, loop.head)
        function, callback = cut(function, loop, labels, name)
        callbacks.append(callback)
        sizes |= dict.fromkeys(body, 0)
        sizes[loop.head] = _CALL
    return [function, *callbacks]
