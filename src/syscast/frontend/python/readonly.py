"""State as a filter of events may use it: looked at, never changed.

A filter runs in the kernel or in the reader, once for each event or again; what it changed would
depend on where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.diagnostics import CompileError

if TYPE_CHECKING:
    import ast

    from syscast.frontend.python.context import Lowering, MethodHandler, StateHandlers
    from syscast.frontend.python.values import ElementValue, Lowered
    from syscast.ir.types import Value
    from syscast.state.state import State
    from syscast.state.structs import Struct

_CHANGING = frozenset({"add", "pop", "set"})


class ReadOnly:
    """The handlers of shared state without those that write; a `context.StateHandlers`."""

    def __init__(self, states: StateHandlers) -> None:
        self._states = states

    def item(self, low: Lowering, node: ast.Subscript, state: State) -> Lowered:
        """As without this."""
        return self._states.item(low, node, state)

    def copied(self, low: Lowering, node: ast.expr, value: ElementValue) -> Lowered:
        """As without this."""
        return self._states.copied(low, node, value)

    def contains(
        self,
        low: Lowering,
        node: ast.expr,
        state: State,
        where: ast.expr,
        key: tuple[ast.expr, Lowered],
    ) -> Value:
        """As without this."""
        return self._states.contains(low, node, state, where, key)

    def attribute(self, low: Lowering, node: ast.Attribute, base: Lowered) -> Lowered:
        """As without this."""
        return self._states.attribute(low, node, base)

    def construct(self, low: Lowering, node: ast.Call, cls: type[Struct]) -> Lowered:
        """As without this."""
        return self._states.construct(low, node, cls)

    def length(self, low: Lowering, node: ast.expr, state: State) -> Lowered:
        """As without this."""
        return self._states.length(low, node, state)

    def method(self, receiver: Lowered, name: str) -> MethodHandler | None:
        """A method that only looks; another one's call is refused."""
        return _refused if name in _CHANGING else self._states.method(receiver, name)

    def assign(self, low: Lowering, target: ast.expr, value: tuple[ast.expr, Lowered]) -> bool:
        """Refused for what is a state's."""
        return self._states.assign(low, target, value) and _refuse(low, target)

    def augment(self, low: Lowering, statement: ast.AugAssign) -> bool:
        """Refused for what is a state's."""
        return self._states.augment(low, statement) and _refuse(low, statement)

    def delete(self, low: Lowering, target: ast.expr) -> bool:
        """Refused for what is a state's."""
        return self._states.delete(low, target) and _refuse(low, target)


def _refused(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    del receiver
    _refuse(low, node)
    raise AssertionError


def _refuse(low: Lowering, node: ast.AST) -> bool:
    raise CompileError(
        [
            low.text.diagnostic(
                node,
                "a filter looks at events and changes nothing",
                "change the state in the probe, or in the loop that reads the events",
            )
        ]
    )
