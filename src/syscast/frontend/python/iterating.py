"""What can be gone over, as a loop sees it; and the limits that users state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from syscast.frontend.python.arguments import python_int

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

    from syscast.frontend.python.context import Lowering
    from syscast.frontend.python.values import Lowered
    from syscast.ir.types import Reg

MAX_ROUNDS = (1 << 23) - 2
"""One less than bpf_loop takes (BPF_MAX_LOOPS of the kernel's include/linux/bpf.h), for the end's test."""


class Counted(ABC):
    """Items that one body serves; the base of all sorts.

    Attributes:
        limit: Rounds at most.
        least: Rounds at least.
        exact: It ends by itself after exactly ``limit`` rounds.
    """

    limit: int
    least: int = 0
    exact: bool = False

    def __init__(self, node: ast.expr) -> None:
        self.node = node

    def begin(self, low: Lowering) -> None:  # noqa: B027  (most sorts add nothing)
        """Add what stands before the loop."""

    @abstractmethod
    def test(self, low: Lowering, number: Reg, exhausted: str) -> None:
        """Leave to ``exhausted`` where there is no round of this number, else go on in a new block."""

    @abstractmethod
    def item(self, low: Lowering, number: Reg) -> Lowered:
        """The item of a round."""

    def advance(self, low: Lowering) -> None:  # noqa: B027  (most sorts add nothing)
        """Add what stands between two rounds."""


class Constants:
    """Items known when compiling, each with the expression it stands for."""

    def __init__(self, items: Sequence[tuple[ast.expr, Lowered]]) -> None:
        self.items: list[tuple[ast.expr, Lowered]] = list(items)


def bounded_arguments(low: Lowering, node: ast.Call) -> tuple[ast.expr, int]:
    """What ``bounded(what, limit=N)`` is about, and its limit."""
    given: dict[str, ast.expr] = dict(zip(("what", "limit"), node.args, strict=False))
    given |= {each.arg: each.value for each in node.keywords if each.arg}
    if set(given) != {"what", "limit"} or len(node.args) + len(node.keywords) != 2:
        raise low.rejection(
            node, "bounded() takes what it bounds and a limit", "bounded(range(n), limit=64)"
        )
    return given["what"], stated_limit(low, given["limit"])


def stated_limit(low: Lowering, node: ast.expr) -> int:
    """A limit: a constant number of rounds."""
    limit = python_int(low.expr(node))
    if limit is None or not 0 < limit <= MAX_ROUNDS:
        raise low.rejection(node, f"the limit is a constant of 1 to {MAX_ROUNDS}")
    return limit
