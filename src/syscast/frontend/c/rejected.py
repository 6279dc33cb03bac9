"""How a finding leaves the lowering of a statement: it is collected, and the next statement looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syscast.diagnostics import Diagnostic


class Rejected(Exception):  # noqa: N818  (it reports no error of the program that runs)
    """A statement or declaration is outside the language or wrong.

    Attributes:
        diagnostic: What to tell; None where it follows from what was told before.
    """

    def __init__(self, diagnostic: Diagnostic | None) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message if diagnostic else "")
