"""What the lowering of a function asks of the text around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.diagnostics import Diagnostic, Span
    from syscast.frontend.c.surroundings import Surroundings


class UnitFacts(Protocol):
    """Places in the user's text, and where findings go."""

    @property
    def surroundings(self) -> Surroundings:
        """The kernel that the text is compiled for."""
        ...

    def span(self, node: c_ast.Node) -> Span | None:
        """Where a node stands in the user's text, or the macro that it comes from."""
        ...

    def diagnostic(self, node: c_ast.Node | None, message: str, hint: str = "") -> Diagnostic:
        """A finding at a node, with the source line."""
        ...

    def report(self, diagnostic: Diagnostic) -> None:
        """Collect what makes the compilation fail; the rest of the text is still looked at."""
        ...

    def warn(self, diagnostic: Diagnostic) -> None:
        """Collect what the user should know."""
        ...
