"""What a name means, and what a name that means nothing was perhaps meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from syscast.frontend.c.conversions import number
from syscast.frontend.c.lowering import Local
from syscast.frontend.c.names import Enumerator, TypeName
from syscast.frontend.c.rejected import Rejected
from syscast.frontend.c.values import CValue
from syscast.ir.types import Const

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pycparser import c_ast

    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.values import Operand


def name_of(low: Lowering, node: c_ast.Node) -> Operand:
    """What a name means in an expression: a local, else what the text or the kernel declares.

    Raises:
        Rejected: Nothing is called so.
    """
    name: str = node.name
    found = low.unit.names.lookup(name)
    match found:
        case Local(None):
            raise Rejected(None)
        case Local(what) if what is not None:
            return what
        case Enumerator(value, type_):
            return number(value, type_)
        case TypeName():
            low.error(node, f"'{name}' is a type, not a value")
        case None if name in low.unit.functions or name in low.unit.builtins:
            _refuse_function(low, node)
        case None:
            undeclared(low, node)
        case _:
            return low.unit.entity(low, found, node)


def is_known(low: Lowering, name: str) -> bool:
    """Whether a name is an enumerator, or a local that is a constant."""
    match low.unit.names.lookup(name):
        case Enumerator():
            return True
        case Local(CValue(value=Const())):
            return True
        case _:
            return False


def _refuse_function(low: Lowering, node: c_ast.Node) -> NoReturn:
    hint = "a program of BPF can only call it by its name"
    low.error(node, f"the function '{node.name}' is used as a value", hint)


def undeclared(low: Lowering, node: c_ast.Node) -> NoReturn:
    """Tell once that a name has no meaning.

    Raises:
        Rejected: Always.
    """
    name: str = node.name
    if name in low.missing:
        raise Rejected(None)
    if not low.unevaluated:
        low.missing.add(name)
    known = low.unit.names.near(name) or [
        each for each in low.unit.tables if name.startswith(each) or each.startswith(name)
    ]
    hint = meant(known[:3])
    low.error(node, f"'{name}' is not declared", hint)


def near(name: str, known: Iterable[str]) -> str:
    """A hint with the names that read like one."""
    from syscast.btf.near import nearest  # noqa: PLC0415  (only errors need it)

    return meant(nearest(name, known, 3))


def meant(names: list[str]) -> str:
    """A hint of near matches."""
    return "did you mean " + " or ".join(f"'{each}'" for each in names) + "?" if names else ""
