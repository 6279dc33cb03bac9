"""``[EXPR [as NAME]]... [--if EXPR]``: Python text to fields and a condition."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from syscast.compiler.driver import Expressions
from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.errors import UsageError
from syscast.frontend.python.source import SourceText

if TYPE_CHECKING:
    from collections.abc import Sequence

_AS = re.compile(r"(?P<text>.*\S)\s+as\s+(?P<name>\S+)\s*", re.DOTALL)


def parse(texts: Sequence[str], condition: str | None) -> Expressions:
    """Read the expressions of a command line.

    Args:
        texts: ``EXPR`` or ``EXPR as NAME``; the words may also be separate.
        condition: The text of ``--if``, or None.

    Raises:
        CompileError: A text is no Python expression; the message shows the place.
        UsageError: Two fields have one name, or a name is none.
    """
    fields: list[tuple[str, ast.expr, SourceText]] = []
    for number, text in enumerate(_joined(texts), 1):
        found = _AS.fullmatch(text)
        node, source = _expression(found["text"] if found else text, f"expression {number}")
        name = found["name"] if found else _name(node)
        if not name.isidentifier():
            raise UsageError(f"field '{name}': name: not a name (letters, digits and _)")
        fields.append((name, node, source))
    _check_names([name for name, *_ in fields])
    return Expressions(
        tuple(fields), None if condition is None else _expression(condition, "--if")
    )


def names(body: Expressions) -> frozenset[str]:
    """The names that expressions use."""
    trees = [node for _, node, _ in body.fields]
    if body.condition is not None:
        trees.append(body.condition[0])
    found = (node for tree in trees for node in ast.walk(tree))
    return frozenset(node.id for node in found if isinstance(node, ast.Name))


def _joined(texts: Sequence[str]) -> list[str]:
    """Put together what the shell took apart: ``EXPR as NAME``."""
    joined: list[str] = []
    words = list(texts)
    while words:
        word = words.pop(0)
        if word.strip() == "as" and joined:
            if not words:
                raise UsageError(f"expression '{joined[-1]}': name: no name stands behind 'as'")
            joined[-1] = f"{joined[-1]} as {words.pop(0)}"
        else:
            joined.append(word)
    return joined


def _expression(text: str, where: str) -> tuple[ast.expr, SourceText]:
    source = SourceText.of(f"<{where}>", text.strip())
    try:
        return ast.parse(source.text, source.file, "eval").body, source
    except SyntaxError as error:
        line = error.lineno or 1
        column = error.offset or len(source.line(line)) + 1  # 0: something is missing at the end
        span = Span(source.file, line, column, error.end_lineno or 0, error.end_offset or 0)
        message = f"not a Python expression: {error.msg}"
        raise CompileError([Diagnostic(message, span, source.line(line), _hint(text))]) from None
    except ValueError as error:  # a NUL
        raise UsageError(f"{where} '{text}': parse: {error}") from None


def _hint(text: str) -> str:
    if re.match(r"\s*\.{0,2}/", text):
        return "a command to trace stands behind --"
    if "&&" in text or "||" in text:
        return "Python writes `and`, `or`, `not`"
    if "->" in text:
        return "members of pointers are reached with a dot: sock.sk"
    if re.search(r"(?<![=!<>])=(?!=)", text):
        return "a comparison is `==`"
    return ""


def _name(node: ast.expr) -> str:
    """What a field is called if the user does not say: the last word of its expression."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner) | ast.UnaryOp(operand=inner):
            return _name(inner)
        case ast.Call(args=[*_, last]) if isinstance(last, ast.Name | ast.Attribute):
            return _name(last)
        case ast.Call(args=[first, *_]):
            return _name(first)
        case _:
            pass
    text = re.sub(r"\W+", "_", ast.unparse(node)).strip("_")
    return text if text.isidentifier() else f"_{text}"


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"field '{name}': name: two fields have this name (use EXPR as NAME)")
