"""Which names a piece of a function gives values to, or takes them from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def stored_names(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Every name that is assigned somewhere in the nodes, in whichever way; deleted ones too."""
    return frozenset(name for node in nodes for each in ast.walk(node) for name in _stored(each))


def deleted_names(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Every name that a ``del`` in the nodes leaves without a value."""
    return frozenset(
        each.id
        for node in nodes
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Del)
    )


def _stored(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case _:
            pass
