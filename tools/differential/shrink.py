"""Makes a failing probe small: leaves out statements and parts of expressions as long as it still fails in the same way."""

from __future__ import annotations

import ast
import copy
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from differential.engine import Engine, Mismatch
    from differential.grammar import Probe
    from differential.inputs import Row

PATIENCE = 60.0
"""Seconds for one probe."""


def shrink(engine: Engine, found: Mismatch, patience: float = PATIENCE) -> Mismatch:
    """The smallest probe found that fails in the same way."""
    deadline = time.monotonic() + patience
    best = found
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for text in _smaller(best.probe.text):
            if time.monotonic() > deadline:
                break
            again = _fails(engine, best, best.probe._replace(text=text), best.row)
            if again is not None:
                best, progress = again, True
                break
    for index in range(len(best.row)):
        for value in (0, 1, -1, 2):
            row = (*best.row[:index], value, *best.row[index + 1 :])
            parameter = best.probe.parameters[index]
            old = best.row[index]
            if isinstance(old, str) or abs(value) >= abs(old):
                continue
            if parameter.low <= value <= parameter.high:
                best = _fails(engine, best, best.probe, row) or best
    return best


def _fails(engine: Engine, known: Mismatch, probe: Probe, row: Row) -> Mismatch | None:
    rows = [row] if row else engine.rows_of(probe, 0)[:5]
    for each in engine.run([(probe, rows)]).mismatches:
        if each.way == known.way and _sort(each) == _sort(known):
            return each
    return None


def _sort(found: Mismatch) -> str:
    """What kind of failure: an error's class and its first words, or a difference."""
    return " ".join(found.got.split()[:4]) if not found.row else ""


def _smaller(text: str) -> Iterator[str]:
    """Texts with one thing less, the largest losses first."""
    tree = ast.parse(text)
    seen = {text}
    for change in _changes(tree):
        changed = copy.deepcopy(tree)
        try:
            change(changed)
            new = ast.unparse(ast.fix_missing_locations(changed)) + "\n"
        except (ValueError, IndexError):
            continue
        if new not in seen and len(new) <= len(text) + 40:
            seen.add(new)
            yield new


def _changes(tree: ast.Module) -> Iterator[Callable[[ast.Module], None]]:
    nodes = list(ast.walk(tree))
    for number, node in enumerate(nodes):
        if not isinstance(node, ast.Module):
            yield from _fewer_statements(number, node)
    for number, node in enumerate(nodes):
        if not isinstance(node, ast.Subscript | ast.Attribute):
            yield from _shorter_expressions(number, node)


def _fewer_statements(number: int, node: ast.AST) -> Iterator[Callable[[ast.Module], None]]:
    for name in ("body", "orelse"):
        block: object = getattr(node, name, None)
        for index, each in enumerate(block if isinstance(block, list) else ()):
            yield _drop(number, name, index)
            if isinstance(each, ast.If | ast.For | ast.While):
                yield _splice(number, name, index, "body")
                yield _splice(number, name, index, "orelse")


def _shorter_expressions(number: int, node: ast.AST) -> Iterator[Callable[[ast.Module], None]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr) and name not in {"func", "target"}:
            yield from _instead(number, name, None, value)
        elif isinstance(value, list) and name != "targets":
            for index, each in enumerate(value):
                if isinstance(each, ast.expr):
                    yield from _instead(number, name, index, each)


def _nth(tree: ast.Module, number: int) -> ast.AST:
    return list(ast.walk(tree))[number]


def _drop(number: int, name: str, index: int) -> Callable[[ast.Module], None]:
    def change(tree: ast.Module) -> None:
        block: list[ast.stmt] = getattr(_nth(tree, number), name)
        del block[index]
        if not block and name == "body":
            block.append(ast.Pass())

    return change


def _splice(number: int, name: str, index: int, part: str) -> Callable[[ast.Module], None]:
    def change(tree: ast.Module) -> None:
        block: list[ast.stmt] = getattr(_nth(tree, number), name)
        block[index : index + 1] = getattr(block[index], part) or [ast.Pass()]

    return change


def _instead(
    number: int, name: str, index: int | None, value: ast.expr
) -> Iterator[Callable[[ast.Module], None]]:
    inner = [each for each in ast.iter_child_nodes(value) if isinstance(each, ast.expr)]
    if isinstance(value, ast.Call):
        inner = value.args
        if value.keywords and isinstance(value.func, ast.Name) and value.func.id != "Lone":
            for field in value.keywords:
                lone = ast.Call(ast.Name("Lone", ast.Load()), [], [ast.keyword("v", field.value)])
                yield _put(number, name, index, lone)
            return
    if isinstance(value, ast.Constant | ast.Name):
        inner = []
    if isinstance(value, ast.Constant) and value.value not in {0, 1}:
        inner = [ast.Constant(1)]
    for each in inner:
        yield _put(number, name, index, each)


def _put(number: int, name: str, index: int | None, new: ast.expr) -> Callable[[ast.Module], None]:
    def change(tree: ast.Module) -> None:
        parent = _nth(tree, number)
        made = copy.deepcopy(new)
        if index is None:
            setattr(parent, name, made)
        else:
            block: list[ast.expr] = getattr(parent, name)
            block[index] = made

    return change
