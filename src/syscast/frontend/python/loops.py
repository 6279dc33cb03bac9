"""``for`` and ``while``: every loop ends after a number of rounds that is known when compiling.

A hidden counter starts at 0, and each round begins with a test that bounds it by a constant. The verifier
follows that test whatever the rest of the loop depends on; `Opaque` keeps LLVM from replacing it.
The names assigned in a body may be unassigned behind the loop, and their ranges are unknown at its head.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.frontend.python import language
from syscast.frontend.python.assignment import assign, assign_to, items_of
from syscast.frontend.python.conditions import branch_on
from syscast.frontend.python.context import LoopTarget
from syscast.frontend.python.induction import provable_rounds
from syscast.frontend.python.iterables import iterable
from syscast.frontend.python.iterating import MAX_ROUNDS, Constants, Counted, bounded_arguments
from syscast.frontend.python.ownership import owned
from syscast.frontend.python.storing import deleted_names, names_in, stored_names
from syscast.frontend.python.values import IntValue, PyValue
from syscast.ir.ops import (
    Binary,
    BinaryOp,
    Compare,
    Finish,
    Opaque,
    Predicate,
    Raise,
    SlotLoad,
    SlotStore,
    Unknown,
)
from syscast.ir.program import Loop
from syscast.ir.types import BOOL, U64, Const

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.frontend.python.context import Flow, Lowering
    from syscast.frontend.python.values import Lowered
    from syscast.ir.types import Reg, Slot

    Run = Callable[[Lowering, Sequence[ast.stmt]], bool]

_HINT = "count a variable towards a known end, or state a limit: while bounded(..., limit=64)"


def for_loop(low: Lowering, node: ast.For, run: Run) -> bool:
    """Lower a ``for``, its statements by ``run``; says whether control gets past it."""
    items = iterable(low, node.iter)
    if isinstance(items, Constants):
        return _unrolled(low, node, items, run)
    return _counted(low, node, items, run)


def _counted(low: Lowering, node: ast.For, items: Counted, run: Run) -> bool:
    before = low.flow()
    exhausted, following, end = (low.builder.label(hint) for hint in ("done", "next", "end"))
    rounds = _Rounds(low, node, items.limit)
    items.begin(low)
    _forget(low, node.body)
    rounds.head(low, limited=not items.exact)
    _enter(low, [*node.body, node.target])
    items.test(low, rounds.number, exhausted)
    if not items.exact:
        rounds.limited(low, node.iter)
    target = LoopTarget(end, following)
    assign_to(low, node.target, node.iter, items.item(low, rounds.number))
    _body(low, node.body, target, run)
    if target.continues:
        low.builder.start(following)
        low.resume(*target.continues)
        items.advance(low)
        rounds.repeat(low)
    low.builder.start(exhausted)
    paths = target.continues if items.least else [before, *target.continues]
    low.resume(*(paths or [before]))
    return _behind(low, node.orelse, target, end, run)


def _unrolled(low: Lowering, node: ast.For, items: Constants, run: Run) -> bool:
    """A body for each item: what they are may differ from one to the next."""
    end = low.builder.label("end")
    target = LoopTarget(end, "")
    stored = stored_names(node.body)
    reached = True
    findings = len(low.diagnostics)
    # All items are there before the first round, which may change what they were read from.
    changing = bool(stored_names([*node.body, node.target]) & names_in([node.iter]))
    given = [(part, owned(low, part, item) if changing else item) for part, item in items.items]
    for part, item in given:
        if not reached or len(low.diagnostics) > findings:
            break  # the body would only give the same findings again
        target.continue_to = low.builder.label("next")
        target.continues = []
        _bind(low, node.target, part, item, stored)
        _body(low, node.body, target, run)
        reached = bool(target.continues)
        if reached:
            low.builder.start(target.continue_to)
            low.resume(*target.continues)
    for name in stored_names([node.target]):
        low.constants.pop(name, None)
    if not reached:
        if node.orelse:
            low.builder.start(low.builder.label("unreachable"))
            if run(low, node.orelse):
                low.add(Finish())
        return _meet(low, target.breaks, end)
    return _behind(low, node.orelse, target, end, run)


def _bind(
    low: Lowering, target: ast.expr, node: ast.expr, item: Lowered, stored: frozenset[str]
) -> None:
    """Give a target an item known when compiling; a name that nothing else changes stands for it."""
    parts = items_of(item)
    if isinstance(target, ast.Tuple | ast.List) and parts and len(parts) == len(target.elts):
        nodes = node.elts if isinstance(node, ast.Tuple | ast.List) else [node] * len(parts)
        for each, part, value in zip(target.elts, nodes, parts, strict=True):
            _bind(low, each, part, value, stored)
        return
    constant = isinstance(item, PyValue) and isinstance(target, ast.Name)
    if not (constant and isinstance(item, PyValue) and not isinstance(item.value, int)):
        assign_to(low, target, node, item)
    if constant and isinstance(target, ast.Name) and target.id not in stored:
        assert isinstance(item, PyValue)
        low.constants[target.id] = item
    elif constant and isinstance(item, PyValue) and not isinstance(item.value, int):
        assert isinstance(target, ast.Name)
        assign(low, node, target.id, item)  # says why it cannot be


def while_loop(low: Lowering, node: ast.While, run: Run) -> bool:
    """Lower a ``while``, its statements by ``run``; says whether control gets past it."""
    test, limit = _while_limit(low, node)
    exhausted, following, going, end = (
        low.builder.label(hint) for hint in ("done", "next", "round", "end")
    )
    rounds = _Rounds(low, node, limit)
    _forget(low, node.body)
    rounds.head(low, limited=True)
    _enter(low, [node.test, *node.body])
    forever = isinstance(test, ast.Constant) and bool(test.value)
    out: Flow | None = None
    if forever:
        low.jump(going)
    else:
        on, out = branch_on(low, test, going, exhausted)
        low.resume(on)
    low.builder.start(going)
    rounds.limited(low, node.test)
    target = LoopTarget(end, following)
    _body(low, node.body, target, run)
    if target.continues:
        low.builder.start(following)
        rounds.repeat(low)
    if out is None:
        return _meet(low, target.breaks, end)
    low.builder.start(exhausted)
    low.resume(out)
    return _behind(low, node.orelse, target, end, run)


def _while_limit(low: Lowering, node: ast.While) -> tuple[ast.expr, int]:
    """The condition proper, and rounds at most."""
    test = node.test
    if isinstance(test, ast.Call):
        function = low.expr(test.func)
        if isinstance(function, PyValue) and function.value is language.bounded:
            return bounded_arguments(low, test)
    limit = provable_rounds(low, node)
    if limit is None or limit > MAX_ROUNDS:
        raise low.rejection(test, "nothing shows when this loop ends, and a probe must end", _HINT)
    return test, limit


class _Rounds:
    """The hidden counter of one loop."""

    def __init__(self, low: Lowering, node: ast.For | ast.While, limit: int) -> None:
        self._limit = limit
        self._label = low.builder.label("loop")
        self._span = low.span(node)
        self._counter: Slot = low.builder.slot("(round)", U64, 8)
        self.number: Reg = low.reg(U64)
        self._bounded: Reg = self.number
        low.add(SlotStore(self._counter, Const(0, U64), span=self._span))

    def head(self, low: Lowering, *, limited: bool) -> None:
        """Begin a round: its number is known from here on.

        Where it will be ``limited``, LLVM gets to see two numbers. From the loop's own test it may
        conclude that a round has one number only, and leave out the test against the limit, while
        the verifier, which cannot conclude that, sees a loop without an end.
        """
        low.jump(self._label)
        low.builder.start(self._label)
        low.heads.append(Loop(self._label, self._limit, self._counter, self._span))
        number = low.reg(U64)
        low.add(SlotLoad(number, self._counter, span=self._span))
        low.add(Opaque(self.number, number, span=self._span))
        if limited:
            self._bounded = low.reg(U64)
            low.add(Opaque(self._bounded, number, 1, span=self._span))

    def limited(self, low: Lowering, node: ast.expr) -> None:
        """Raise where the round is one too many."""
        self.number = self._bounded
        inside, beyond = low.builder.label("round"), low.builder.label("beyond")
        over = low.reg(BOOL)
        limit = Const(self._limit, U64)
        low.add(Compare(over, Predicate.UGE, self.number, limit, span=self._span))
        low.branch(node, over, beyond, inside)
        low.builder.start(beyond)
        low.add(Raise(low.site(node, "LimitError"), span=low.span(node)))
        low.builder.start(inside)

    def repeat(self, low: Lowering) -> None:
        """End a round."""
        after = low.reg(U64)
        low.add(Binary(after, BinaryOp.ADD, self.number, Const(1, U64), span=self._span))
        low.add(SlotStore(self._counter, after, span=self._span))
        low.jump(self._label)


# ---------------------------------------------------------------- what both share


def _changed(low: Lowering, nodes: Sequence[ast.AST]) -> set[str]:
    """Variables that the nodes assign, with the hidden ones that hold the parts of tuples."""
    stored = stored_names(nodes)
    known = {*low.locals, *low.ranges, *low.constants}
    return {*stored, *(name for name in known if name.partition(".")[0] in stored)}


def _forget(low: Lowering, body: Sequence[ast.stmt]) -> None:
    """Hide from the verifier what the numbers are that rounds change: see `Unknown`."""
    for name in sorted(_changed(low, body) & low.assigned):
        local = low.locals.get(name)
        if local is None or not isinstance(local.shape, IntValue) or local.slot.type is None:
            continue
        known, unknown = low.reg(local.slot.type), low.reg(local.slot.type)
        low.add(SlotLoad(known, local.slot))
        low.add(Unknown(unknown, known))
        low.add(SlotStore(local.slot, unknown))


def _enter(low: Lowering, changing: Sequence[ast.AST]) -> None:
    """At a loop's head, nothing is known that a round may change."""
    low.assigned -= deleted_names(changing)
    for name in _changed(low, changing):
        low.ranges.pop(name, None)
        low.constants.pop(name, None)


def _body(low: Lowering, body: Sequence[ast.stmt], target: LoopTarget, run: Run) -> None:
    low.loops.append(target)
    try:
        if run(low, body):
            target.continues.append(low.flow())
            low.jump(target.continue_to)
    finally:
        low.loops.pop()


def _behind(
    low: Lowering, orelse: Sequence[ast.stmt], target: LoopTarget, end: str, run: Run
) -> bool:
    """The ``else``, which a ``break`` leaves out, and where both meet."""
    paths = list(target.breaks)
    if run(low, orelse):
        low.jump(end)
        paths.append(low.flow())
    return _meet(low, paths, end)


def _meet(low: Lowering, paths: Sequence[Flow], end: str) -> bool:
    if not paths:
        return False
    low.resume(*paths)
    low.builder.start(end)
    return True


def leave(low: Lowering, statement: ast.stmt) -> bool:
    """``break`` or ``continue``."""
    target = low.loops[-1]
    if isinstance(statement, ast.Break):
        target.breaks.append(low.flow())
        low.jump(target.break_to)
    else:
        target.continues.append(low.flow())
        low.jump(target.continue_to)
    return False
