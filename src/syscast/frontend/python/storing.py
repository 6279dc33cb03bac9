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


def names_in(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Every name in the nodes."""
    return frozenset(
        each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)
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


def overtaken(function: ast.AST) -> frozenset[tuple[str, int, int]]:
    """The reads of a name, by line and column, that a ``:=`` of one statement may come in between.

    Such a read is used only when the rest of its statement was evaluated: ``f(x, (x := "b"))``.
    """
    found: set[tuple[str, int, int]] = set()
    if not any(isinstance(each, ast.NamedExpr) for each in ast.walk(function)):
        return frozenset()
    for statement in ast.walk(function):
        if isinstance(statement, ast.stmt | ast.match_case):
            found |= _overtaken_in(statement)
    return frozenset(found)


def _overtaken_in(statement: ast.AST) -> set[tuple[str, int, int]]:
    inner = (ast.stmt, ast.match_case, ast.excepthandler)
    parts = [
        each
        for part in ast.iter_child_nodes(statement)
        if not isinstance(part, inner)
        for each in ast.walk(part)
    ]
    last: dict[str, tuple[int, int]] = {}
    for each in parts:
        if isinstance(each, ast.NamedExpr):
            end = (each.end_lineno or each.lineno, each.end_col_offset or each.col_offset)
            last[each.target.id] = max(end, last.get(each.target.id, end))
    return {
        (each.id, each.lineno, each.col_offset)
        for each in parts
        if isinstance(each, ast.Name)
        and isinstance(each.ctx, ast.Load)
        and (each.lineno, each.col_offset) < last.get(each.id, (0, 0))
    }
