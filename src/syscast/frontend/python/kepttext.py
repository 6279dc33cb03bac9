"""Strings of a system call that its exit uses: read at the entry, and once more at the exit if that failed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python.assignment import assign
from syscast.frontend.python.capacities import capacity
from syscast.frontend.python.context import Local
from syscast.frontend.python.eventing import INFERRED_STR, ZERO_ON_FAULT
from syscast.frontend.python.values import IntValue, PtrValue, StrValue
from syscast.ir.ops import Branch, ExactCompare, Predicate, ReadStr, SlotAddr, SlotLoad, SlotStore
from syscast.ir.types import BOOL, I64, Const, PtrType, Space

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.parameter import Parameter


def text_names(parameter: Parameter) -> tuple[str, str]:
    """Hidden locals with a string's address and its length."""
    return f"({parameter.name} pointer)", f"({parameter.name} length)"


def keep_text(low: Lowering, parameter: Parameter, pointer: PtrValue) -> None:
    """Read a syscall's string at entry: execve, for one, has replaced the memory at its exit.

    A page that is not mapped in yet cannot be read here (a probe must not fault), so the pointer
    and the outcome are kept too, and the exit tries again.
    """
    kept = parameter.name in low.kept
    node = parameter.node
    size = capacity(low, f"({parameter.name})", INFERRED_STR * 2)
    text = low.builder.slot(parameter.name, None, size, kept=kept)
    address = low.reg(PtrType(Space.STACK))
    low.add(SlotAddr(address, text))
    length = low.reg(I64)
    low.add(ReadStr(length, address, text.size, pointer.value, ZERO_ON_FAULT, span=low.span(node)))
    low.locals[parameter.name] = Local(text, StrValue(address, text.size))
    low.assigned.add(parameter.name)
    if kept:
        names = text_names(parameter)
        low.kept |= set(names)
        anchor = ast.copy_location(ast.Name(parameter.name), node)
        assign(low, anchor, names[0], pointer)
        assign(low, anchor, names[1], IntValue(length, I64))


def read_text_again(low: Lowering, parameter: Parameter) -> None:
    """Read a kept string at the exit, if the entry could not: its page was not mapped in yet."""
    pointer_name, length_name = text_names(parameter)
    span = low.span(parameter.node)
    # A read that fails gives an empty string, and so no length; so does an empty string.
    length, failed = low.reg(I64), low.reg(BOOL)
    low.add(SlotLoad(length, low.locals[length_name].slot, span=span))
    low.add(ExactCompare(failed, Predicate.EQ, length, Const(0, I64), span=span))
    again, done = low.builder.label("again"), low.builder.label("done")
    low.add(Branch(failed, again, done, span=span))
    low.builder.start(again)
    slot = low.locals[pointer_name].slot
    assert slot.type is not None
    pointer, address, ignored = low.reg(slot.type), low.reg(PtrType(Space.STACK)), low.reg(I64)
    low.add(SlotLoad(pointer, slot, span=span))
    text = low.locals[parameter.name].slot
    low.add(SlotAddr(address, text))
    low.add(ReadStr(ignored, address, text.size, pointer, ZERO_ON_FAULT, span=span))
    low.add(SlotStore(low.locals[length_name].slot, ignored, span=span))
    low.jump(done)
    low.builder.start(done)
