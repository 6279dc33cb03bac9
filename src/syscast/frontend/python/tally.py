"""Probes that count: keys, a value and a condition as expressions, and the state that they go to.

What such a probe does is ``state.add(key)``, or ``state[key].add(value)`` for a histogram, and is lowered as
if a user had written it; only the key's parts are lowered one by one before, since each has a text
of its own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.frontend.python.eventing import infer
from syscast.frontend.python.parameter import Parameter
from syscast.frontend.python.parameters import DURATION, RETURN
from syscast.frontend.python.statements import run
from syscast.ir.ops import Finish
from syscast.ir.program import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.source import SourceText
    from syscast.frontend.python.values import Lowered
    from syscast.ir.program import ProgramContext
    from syscast.spec.meta import FieldMeta

STATE = "(state)"
"""Name of the counter or histogram; no name in Python can be it."""
STACKS = "(stacks)"
"""Name of what keeps the stacks that keys name."""


class Tally(Record):
    """A probe that counts.

    Attributes:
        keys: Label, expression and text of each part of the key. An expression that is the
            name `FUNCTION` means the number of the target.
        value: What goes into a histogram; None to count.
        condition: What must be true.
        state: The counter or histogram; None to find out the types of the keys only.
        number: Of the only target; None where the program is on many and is told it.
        stacks: The `syscast.state.stacks.Stacks` that expressions call `STACKS`; None where none does.
    """

    keys: tuple[tuple[str, ast.expr, SourceText], ...]
    value: tuple[ast.expr, SourceText] | None
    condition: tuple[ast.expr, SourceText] | None
    state: object
    number: int | None
    stacks: object = None

    def texts(self) -> list[SourceText]:
        """Every text."""
        found = [text for *_, text in self.keys]
        return found + [each[1] for each in (self.value, self.condition) if each is not None]

    def names(self) -> frozenset[str]:
        """Every name that an expression uses."""
        trees = [node for _, node, _ in self.keys]
        trees += [each[0] for each in (self.value, self.condition) if each is not None]
        found = (node for tree in trees for node in ast.walk(tree))
        return frozenset(node.id for node in found if isinstance(node, ast.Name))


class Ready(ast.expr):
    """An expression that was lowered already."""

    lowered: Lowered


def ready(low: Lowering, node: ast.expr) -> Lowered:
    """The value of `Ready`."""
    del low
    assert isinstance(node, Ready)
    return node.lowered


def parameters(tally: Tally, contexts: Sequence[ProgramContext]) -> list[Parameter]:
    """The arguments that the expressions use, and return value and duration where they do."""
    anchor = ast.Name("", lineno=1, col_offset=0)
    used = tally.names()
    names = [each.name for each in contexts[0].arguments]
    found = [Parameter(name, at, anchor) for at, name in enumerate(names) if name in used]
    if "ret" in used and "ret" not in names and contexts[-1].returns is not None:
        found.append(Parameter("ret", RETURN, anchor))
    if "duration" in used and "duration" not in names and len(contexts) > 1:
        found.append(Parameter("duration", DURATION, anchor))
    return found


def count(low: Lowering, tally: Tally, types: list[FieldMeta]) -> bool:
    """Lower what the probe does.

    Args:
        low: The function.
        tally: The probe.
        types: Gets the type of each key that one has.
    """
    own = low.text
    if tally.condition is not None:
        node, low.text = tally.condition
        go_on, skip = low.builder.label("counted"), low.builder.label("skipped")
        low.branch(node, low.truth(node), go_on, skip)
        low.builder.start(skip)
        low.add(Finish(span=low.span(node)))
        low.builder.start(go_on)
    parts = [_part(low, tally, each, types) for each in tally.keys]
    update: ast.expr = ast.Name(STATE, ast.Load())
    arguments: list[ast.expr] = []
    if tally.value is not None:
        node, low.text = tally.value
        arguments = [_ready(node, low.integer(node))]
    if tally.state is not None:
        key = ast.Tuple(parts, ast.Load())
        if tally.value is None:
            arguments = [key]
        elif parts:
            update = ast.Subscript(update, key, ast.Load())
        call = ast.Expr(ast.Call(ast.Attribute(update, "add", ast.Load()), arguments, []))
        place = tally.value or (tally.keys[0][1:] if tally.keys else None)
        if place is not None:
            low.text = place[1]
        # Findings and line info name the value, or the first key.
        _put_at(call, place[0] if place is not None else ast.Name("", lineno=1, col_offset=0))
        run(low, [call])
    low.text = own
    if not low.builder.terminated:
        low.add(Finish())
    return False


def _part(
    low: Lowering,
    tally: Tally,
    key: tuple[str, ast.expr, SourceText],
    types: list[FieldMeta],
) -> ast.expr:
    label, node, low.text = key
    if isinstance(node, ast.Name) and node.id == FUNCTION and tally.number is not None:
        node = ast.copy_location(ast.Constant(tally.number), node)
    value = low.known(node, low.expr(node))
    meta = infer(low, label, value)
    if meta is None:
        raise low.rejection(
            node, f"{low.describe(value)} cannot be a key", "name one of its members"
        )
    types.append(meta)
    return _ready(node, value)


def _ready(node: ast.expr, value: Lowered) -> Ready:
    made = ast.copy_location(Ready(), node)
    made.lowered = value
    return made


def _put_at(tree: ast.AST, place: ast.expr) -> None:
    """Give nodes without a place the place of another."""
    for node in ast.walk(tree):
        if "lineno" not in vars(node) and isinstance(node, ast.expr | ast.stmt):
            ast.copy_location(node, place)
