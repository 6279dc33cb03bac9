"""What C lets pass with a warning: numbers that become pointers without a cast, and pointers that become numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.conversions import is_null
from syscast.frontend.c.types import Enum, Int, Pointer

if TYPE_CHECKING:
    from pycparser import c_ast

    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.types import CType
    from syscast.frontend.c.values import CValue


def warn_of_conversion(low: Lowering, node: c_ast.Node, value: CValue, to: CType) -> None:
    """Warn where a value becomes another kind of thing by an initialiser, ``=`` or ``return``."""
    source = value.ctype
    if isinstance(source, Pointer) and isinstance(to, Int | Enum):
        what = "a pointer becomes a number"
    elif isinstance(to, Pointer) and isinstance(source, Int | Enum) and not is_null(value):
        what = "a number becomes a pointer"
    else:
        return
    low.warn(
        node,
        f"{what} without a cast: '{source.spelling}' to '{to.spelling}'",
        f"write ({to.spelling}) before it, if that is meant",
    )
