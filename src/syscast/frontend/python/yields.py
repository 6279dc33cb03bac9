"""A generator's only yield: what stands before it runs at a call's entry, the rest at its exit."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.diagnostics import CompileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.frontend.python.source import FunctionSource, SourceText
    from syscast.ir.program import ProgramContext


def cut(
    source: FunctionSource, contexts: tuple[ProgramContext, ...]
) -> tuple[Sequence[ast.stmt] | None, str, Sequence[ast.stmt]]:
    """Statements before the yield (None: there is none), the name that takes its value, and the rest.

    Raises:
        CompileError: There are several, or it stands where it cannot.
    """
    body = source.node.body
    if not source.is_generator:
        return None, "", body
    place = _place(source, contexts)
    return body[:place], _resumed_name(source.text, body[place]), body[place + 1 :]


def _place(source: FunctionSource, contexts: tuple[ProgramContext, ...]) -> int:
    """Where a generator's only yield stands among its statements."""
    text = source.text
    found = [index for index, each in enumerate(source.node.body) if _yield_of(each) is not None]
    yields = [
        node for node in ast.walk(source.node) if isinstance(node, ast.Yield | ast.YieldFrom)
    ]
    if len(found) != 1 or len(yields) != 1 or isinstance(yields[0], ast.YieldFrom):
        wrong = yields[1] if len(yields) > 1 and len(found) == 1 else yields[0]
        raise CompileError(
            [
                text.diagnostic(
                    wrong,
                    "a call probe has exactly one yield, a statement of its own at the function's top level",
                    "write `ret = yield` once, not inside if",
                )
            ]
        )
    node = _yield_of(source.node.body[found[0]])
    assert node is not None
    if node.value is not None:
        raise CompileError(
            [text.diagnostic(node.value, "yield sends nothing here", "write a bare `yield`")]
        )
    if len(contexts) == 1:
        kind = contexts[0].kind
        raise CompileError(
            [
                text.diagnostic(
                    node, f"a {kind} sees one moment only, so it cannot yield", "use @sc.call"
                )
            ]
        )
    return found[0]


def _yield_of(statement: ast.stmt) -> ast.Yield | None:
    value = (
        statement.value if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign) else None
    )
    return value if isinstance(value, ast.Yield) else None


def _resumed_name(text: SourceText, statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr):
        return ""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    target = targets[0] if len(targets) == 1 else getattr(statement, "target", None)
    if isinstance(target, ast.Name):
        return target.id
    raise CompileError(
        [
            text.diagnostic(
                statement, "the return value goes into one plain variable", "ret = yield"
            )
        ]
    )
