"""``bpf_usdt_readarg(n, ctx, &x)``: a call of the function ``_bpf_readarg_PROGRAM_n`` that stands in the text of the probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.frontend.c.dialect import counted
from syscast.frontend.c.inlining import inlined
from syscast.frontend.c.types import UNSIGNED_LONG_LONG

if TYPE_CHECKING:
    from syscast.frontend.c.lowering import Handler, Lowering
    from syscast.frontend.c.values import CValue

_ADDRESS = "__sc_address"


def handlers() -> dict[str, Handler]:
    """What lowers the calls, by name."""
    return {"bpf_usdt_readarg": _read, "bpf_usdt_readarg_p": _read_pointed}


def _read(low: Lowering, call: c_ast.FuncCall) -> CValue:
    usage = "number, ctx, &target"
    at, ctx, target = counted(low, call, "bpf_usdt_readarg", usage, (3,))
    return _reader(low, call, at, ctx, target)


def _read_pointed(low: Lowering, call: c_ast.FuncCall) -> CValue:
    """Read an argument that is an address, and what it points to."""
    usage = "number, ctx, &buffer, length"
    at, ctx, buffer, length = counted(low, call, "bpf_usdt_readarg_p", usage, (4,))
    with low.unit.names.scope():
        place = low.buffer(UNSIGNED_LONG_LONG, "address")
        low.clear(place)
        low.declare(_ADDRESS, place)
        address = c_ast.ID(_ADDRESS, coord=call.coord)
        _reader(low, call, at, ctx, c_ast.UnaryOp("&", address, coord=call.coord))
        read = c_ast.ID("bpf_probe_read_user", coord=call.coord)
        passed = c_ast.ExprList([buffer, length, address], coord=call.coord)
        return low.expr(c_ast.FuncCall(read, passed, coord=call.coord))


def _reader(
    low: Lowering, call: c_ast.FuncCall, at: c_ast.Node, ctx: c_ast.Node, target: c_ast.Node
) -> CValue:
    number = low.needed_constant(at, "the argument's number")
    function = None
    for frame in reversed(low.frames):
        name = f"_bpf_readarg_{frame.function.name}_{number}"
        function = low.unit.functions.get(name)
        if function is not None:
            break
    if function is None:
        program = low.frames[0].function.name
        low.error(
            call,
            f"no probe gives '{program}' an argument {number}",
            "enable the probe for this function (USDT.enable_probe) and pass usdt_contexts=[...] to BPF",
        )
    pointed = c_ast.UnaryOp("*", target, coord=call.coord)
    size = c_ast.UnaryOp("sizeof", pointed, coord=call.coord)
    passed = c_ast.ExprList([ctx, target, size], coord=call.coord)
    name_node = c_ast.ID(function.name, coord=call.coord)
    return inlined(low, c_ast.FuncCall(name_node, passed, coord=call.coord), function)
