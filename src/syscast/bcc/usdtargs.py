"""C that reads the arguments of USDT probes, for ``bpf_usdt_readarg(n, ctx, &x)``.

The compiler calls ``_bpf_readarg_FUNCTION_N(ctx, &x, sizeof(x))`` for it. Where the places of a probe have their
arguments in different registers, the instruction pointer's position in its page tells them apart: programs are loaded
at any address, but always in whole pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.kernel.host import PAGE_SIZE
from syscast.symbols.sdtoperands import CONSTANT, HERE, MEMORY, REGISTER, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.symbols.sdtoperands import Operand
    from syscast.symbols.stapsdt import Location, Probe

_TYPES = {
    (size, signed): f"{'' if signed else 'u'}int{size * 8}_t"
    for size in (1, 2, 4, 8)
    for signed in (False, True)
}


def c_type(locations: Sequence[Location], index: int) -> str | None:
    """The C type that holds an argument at every place: the largest; None where none is known."""
    found = [each.arguments[index] for each in locations if index < len(each.arguments)]
    known = [each for each in found if each.kind != UNKNOWN and (each.size, each.signed) in _TYPES]
    if not known:
        return None
    largest = max(known, key=lambda each: each.size)
    return _TYPES[largest.size, largest.signed]


def reader(probe: Probe, fn_name: str) -> str:
    """The functions that read a probe's arguments for one function of the text."""
    count = max((len(each.arguments) for each in probe.locations), default=0)
    return "".join(_function(probe.locations, fn_name, index) for index in range(count))


def _function(locations: Sequence[Location], fn_name: str, index: int) -> str:
    kind = c_type(locations, index)
    if kind is None:
        return ""
    ways: dict[str, list[Location]] = {}
    for each in locations:
        if index < len(each.arguments):
            ways.setdefault(_read(each.arguments[index], kind), []).append(each)
    if len(ways) == 1 and all(index < len(each.arguments) for each in locations):
        body = next(iter(ways))
    else:
        body = f"{_switch(ways)}    return -1;\n"
    return (
        f"static inline int _bpf_readarg_{fn_name}_{index + 1}"
        "(struct pt_regs *ctx, void *dest, size_t len) {\n"
        f"    if (len != sizeof({kind}))\n        return -1;\n{body}}}\n"
    )


def _switch(ways: dict[str, list[Location]]) -> str:
    """Tell the places apart; of two at one position in their pages the first counts."""
    lines = [f"    switch (PT_REGS_IP(ctx) & {PAGE_SIZE - 1}) {{\n"]
    seen: set[int] = set()
    for body, places in ways.items():
        positions = {each.offset % PAGE_SIZE for each in places} - seen
        if positions:
            seen |= positions
            lines += [f"    case 0x{position:x}:\n" for position in sorted(positions)]
            lines.append(f"    {{\n{body}    }}\n")
    return "".join([*lines, "    }\n"])


def _read(operand: Operand, kind: str) -> str:
    """Statements that read an argument and return."""
    own = _TYPES.get((operand.size, operand.signed), kind)
    if operand.kind == CONSTANT:
        return f"    *({kind} *)dest = ({kind}){operand.number}LL;\n    return 0;\n"
    if operand.kind == REGISTER:
        shift = f" >> {operand.byte * 8}" if operand.byte else ""
        value = f"({own})(ctx->{operand.register}{shift})"
        return f"    *({kind} *)dest = ({kind}){value};\n    return 0;\n"
    if operand.kind != MEMORY:
        return "    return -1;\n"
    return (
        f"    {own} found = 0;\n"
        f"    bpf_probe_read_user(&found, sizeof(found), (void *)({_address(operand)}));\n"
        f"    *({kind} *)dest = ({kind})found;\n    return 0;\n"
    )


def _address(operand: Operand) -> str:
    base = "PT_REGS_IP(ctx)" if operand.register == HERE else f"ctx->{operand.register}"
    parts = [f"(u64){base}"] if operand.register else []
    if operand.indexed:
        parts.append(f"(u64)ctx->{operand.indexed} * {operand.scale}")
    return " + ".join([*parts, f"({operand.number}LL)"])
