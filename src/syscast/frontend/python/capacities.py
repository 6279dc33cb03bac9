"""Room for text that comes from several places: a variable's assignments, a choice's branches.

A buffer has one size, the largest that any of them needs. It is known when all were lowered; if
one turned out larger, everything is lowered again, as it is for integers that need the wide kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.python.values import StrValue
from syscast.ir.ops import CopyBytes, Fill, SlotAddr
from syscast.ir.types import PtrType, Space

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering
    from syscast.ir.types import Slot


_MAX_GROWTH = 8
"""Attempts; text made of itself would need one more each time."""


def capacity(low: Lowering, key: str, size: int) -> int:
    """Bytes for the text of this key, whose first value needs ``size``."""
    start = f"{key} text "
    needed = [int(each[len(start) :]) for each in low.wide if each.startswith(start)]
    return max([size, *needed])


def fill(low: Lowering, node: ast.AST, key: str, slot: Slot, value: StrValue) -> None:
    """Put a string into the room; the rest of it becomes zero."""
    if value.size > slot.size:
        if sum(each.startswith(f"{key} text ") for each in low.wide) >= _MAX_GROWTH:
            raise low.rejection(
                node,
                "this text grows with each assignment, and a variable's text has one capacity",
                "keep the longer text in a variable of its own",
            )
        low.wide.add(f"{key} text {value.size}")
        return
    span = low.span(node)
    address = low.reg(PtrType(Space.STACK))
    low.add(SlotAddr(address, slot))
    if value.size < slot.size:
        low.add(Fill(address, slot.size, span=span))
    low.add(CopyBytes(address, value.address, value.size, span=span))


def text_in(low: Lowering, slot: Slot) -> StrValue:
    """The string that stands in the room."""
    address = low.reg(PtrType(Space.STACK))
    low.add(SlotAddr(address, slot))
    return StrValue(address, slot.size)
