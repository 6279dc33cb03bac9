"""``stacks.kernel()`` and ``stacks.user()``: keep the stack of the moment, and give its number."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.statenames import hint_of, state_of
from syscast.frontend.python.values import IntValue, Lowered
from syscast.ir.ops import Convert, CtxAddr, Helper
from syscast.ir.types import I32, U64, Const, PtrType, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering, MethodHandler

_USER = 1 << 8  # BPF_F_USER_STACK


def _keep(flags: int) -> MethodHandler:
    def handler(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
        for extra in [*node.args, *node.keywords]:
            raise low.rejection(extra, f"{ast.unparse(node.func)}() takes no arguments")
        state = state_of(receiver)
        assert state is not None
        assert isinstance(node.func, ast.Attribute)
        access = Access(low, node, state, hint_of(node.func.value))
        span = low.span(node)
        context, number, short = low.reg(PtrType(Space.CTX)), low.reg(U64), low.reg(I32)
        low.add(CtxAddr(context, span=span))
        arguments = (context, access.handle, Const(flags, U64))
        low.add(Helper(number, "get_stackid", arguments, span=span))
        low.add(Convert(short, number, span=span))
        return IntValue(low.widen(node, short, I32), I32, name="stack")

    return handler


kernel: MethodHandler = _keep(0)
user: MethodHandler = _keep(_USER)
