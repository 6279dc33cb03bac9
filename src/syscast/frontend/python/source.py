"""From a Python function object to its syntax tree, with true lines and columns."""

from __future__ import annotations

import ast
import builtins
import linecache
from typing import TYPE_CHECKING

import msgspec

from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.frontend.python.storing import overtaken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, FunctionType

_MISSING = object()


class SourceText(msgspec.Struct, frozen=True):
    """A file's text by name; makes spans out of syntax nodes."""

    file: str
    text: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, file: str, text: str) -> SourceText:
        """Split a text into lines, where Python does: a form feed or a U+2028 ends none."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return cls(file, text, tuple(lines if lines[-1] else lines[:-1]))

    def line(self, number: int) -> str:
        """The text of one line, counted from 1; empty outside the file."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def span(self, node: ast.AST) -> Span:
        """The place of a node; ast counts columns in UTF-8 bytes, a span in characters."""
        line = getattr(node, "lineno", 1)
        end = getattr(node, "end_lineno", None) or line
        start_column = self._column(line, getattr(node, "col_offset", 0))
        end_column = self._column(end, getattr(node, "end_col_offset", None) or 0)
        return Span(self.file, line, start_column, end, end_column)

    def _column(self, line: int, offset: int) -> int:
        text = self.line(line)
        return (
            offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))
        ) + 1

    def diagnostic(self, node: ast.AST, message: str, hint: str = "") -> Diagnostic:
        """A finding at a node."""
        span = self.span(node)
        return Diagnostic(message, span, self.line(span.line), hint)


class FunctionSource:
    """A function: its tree, its text, and the outer names it may use.

    Attributes:
        name: The function's name.
        node: The definition; a lambda's is made up, with its expression as the only ``return``.
        text: The file it stands in.
        code: What Python made of it; None for what is no Python function.
        owner: The class whose body it stands in, "" for none.
        instance: Of a method of an object: that object.
        assigned: The names that it assigns anywhere, and that are its locals throughout.
        overtaken: The reads that an assignment in the same statement may overtake.
    """

    def __init__(
        self,
        name: str,
        node: ast.FunctionDef,
        text: SourceText,
        names: dict[str, object],
        module: dict[str, object],
        code: CodeType | None = None,
    ) -> None:
        self.name = name
        self.node = node
        self.text = text
        self.code = code
        path = code.co_qualname.split(".")[:-1] if code is not None else []
        self.owner: str = path[-1] if path and path[-1] != "<locals>" else ""
        self.assigned: frozenset[str] = assigned_names(node.body)
        self.instance: tuple[object, ...] = ()
        self.overtaken: frozenset[tuple[str, int, int]] = overtaken(node)
        self._names = names
        self._module = module

    def outer(self, name: str) -> tuple[bool, object]:
        """Look up a name as Python would from inside the function: closure, module, builtins."""
        for scope in (self._names, self._module, vars(builtins)):
            value = scope.get(name, _MISSING)
            if value is not _MISSING:
                return True, value
        return False, None

    def names(self) -> set[str]:
        """The names of the closure and the module, for messages."""
        return {*self._names, *self._module}

    @property
    def is_generator(self) -> bool:
        """Whether it has a ``yield`` of its own."""
        return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(self.node))

    @property
    def only_return(self) -> bool:
        """Whether it returns at its end only, so that its value is one expression's."""
        last = self.node.body[-1]
        returns = [node for node in ast.walk(self.node) if isinstance(node, ast.Return)]
        return returns == [last] and not isinstance(returns[0].value, ast.IfExp)

    def segment(self) -> str:
        """The function's own text, for content addressing."""
        start = _first_line(self.node)
        return "\n".join(self.text.lines[start - 1 : self.node.end_lineno or start])


def assigned_names(statements: Sequence[ast.stmt]) -> frozenset[str]:
    """Every name that statements assign, by any means."""
    found: set[str] = set()
    for each in statements:
        for node in ast.walk(each):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                found.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest:
                found.add(node.rest)
    return frozenset(found)


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def read_function(function: FunctionType, what: str = "probe") -> FunctionSource:
    """Find a function's source.

    Args:
        function: A function or a lambda.
        what: What it is, for messages.

    Raises:
        CompileError: The source is gone (typed into a bare interpreter, made by exec), or the
            function is a coroutine.
    """
    code = function.__code__
    file = code.co_filename
    what = f"{what} '{function.__name__}'"
    # linecache also knows the cells of notebooks and what IPython has run.
    text = "".join(linecache.getlines(file, function.__globals__))
    where = Span(file, code.co_firstlineno)
    if not text:
        raise CompileError(
            [
                Diagnostic(
                    f"{what}: its source text cannot be read",
                    where,
                    hint="define it in a file or a notebook cell, not in exec() or a bare prompt",
                )
            ]
        )
    source = SourceText.of(file, text)
    try:
        node = _definition(source, code, what)
    except (RecursionError, MemoryError):
        message = f"{what}: it is nested too deeply for Python's own parser"
        hint = "give parts of it names: x = ..."
        raise CompileError([Diagnostic(message, where, hint=hint)]) from None
    if node is None:
        raise CompileError(
            [
                Diagnostic(
                    f"{what}: its definition is not at line {code.co_firstlineno} any more",
                    where,
                    hint="the file changed after Python read it",
                )
            ]
        )
    if isinstance(node, ast.AsyncFunctionDef):
        raise CompileError(
            [
                source.diagnostic(
                    node, "a probe cannot be a coroutine", "write `def`, not `async def`"
                )
            ]
        )
    check_depth(node, source)
    return FunctionSource(node.name, node, source, _closure(function), function.__globals__, code)


def _definition(
    source: SourceText, code: CodeType, what: str
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    if code.co_name == _LAMBDA:
        return _lambda(source, code, what)
    return _search(_excerpt(source.text, code.co_firstlineno), code) or _search(
        _whole(source, what), code
    )


_LAMBDA = "<lambda>"


def _lambda(source: SourceText, code: CodeType, what: str) -> ast.FunctionDef | None:
    """The lambda that became this code, as a function with one ``return``.

    Several may begin on one line; Python keeps the columns of what each of them computes.
    """
    found = [
        node
        for node in ast.walk(_whole(source, what))
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    if len(found) > 1:
        extent = _extent(code)
        found = [node for node in found if extent is not None and _inside(extent, node.body)]
        found = found[-1:]  # ast.walk() gives the inner ones last
    if not found:
        return None
    node = found[0]
    body = ast.copy_location(ast.Return(node.body), node.body)
    made = ast.FunctionDef(_LAMBDA, node.args, [body], [])
    return ast.copy_location(made, node)


def _extent(code: CodeType) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """From where to where in the text the code's instructions come; None if that was stripped."""
    starts: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    for line, end, column, end_column in code.co_positions():
        if line is not None and end is not None and column is not None and end_column:
            starts.append((line, column))
            ends.append((end, end_column))
    return (min(starts), max(ends)) if starts else None


def _inside(extent: tuple[tuple[int, int], tuple[int, int]], body: ast.expr) -> bool:
    start, end = extent
    return (body.lineno, body.col_offset) <= start and end <= (
        body.end_lineno or 0,
        body.end_col_offset or 0,
    )


MAX_DEPTH = 100
"""Levels of expressions and statements inside one another; each takes some of Python's own stack."""


def check_depth(tree: ast.AST, text: SourceText) -> None:
    """Refuse what is nested so deeply that lowering would run out of Python's stack.

    Raises:
        CompileError: At the first place that is too deep.
    """
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > MAX_DEPTH:
            what = "statements" if isinstance(node, ast.stmt) else "expressions"
            raise CompileError(
                [
                    text.diagnostic(
                        node,
                        f"{what} are nested more than {MAX_DEPTH} levels deep here",
                        "give parts of it names: x = ..., or put them into functions",
                    )
                ]
            )
        chained = node.orelse if isinstance(node, ast.If) and len(node.orelse) == 1 else []
        for child in ast.iter_child_nodes(node):
            elif_ = child in chained and isinstance(child, ast.If)
            todo.append((child, depth + (isinstance(child, ast.expr | ast.stmt) and not elif_)))


def _search(
    tree: ast.Module | None, code: CodeType
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition that became this code."""
    for node in ast.walk(tree) if tree is not None else ():
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == code.co_name
            and _first_line(node) == code.co_firstlineno
        ):
            return node
    return None


def _whole(source: SourceText, what: str) -> ast.Module:
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        raise CompileError(
            [
                Diagnostic(
                    f"{what}: its file no longer parses: {error.msg}",
                    Span(source.file, error.lineno or 1, error.offset or 1),
                    hint="the file changed after Python read it; start the program again",
                )
            ]
        ) from None


def _excerpt(text: str, first: int) -> ast.Module | None:
    """The tree of the block that starts at a line, with the places it has in the file.

    Parsing all of a long file costs every start tens of ms. The block's end is told by the
    indentation; where a string's or a bracket's lines stand further out than the block, what is
    cut off there does not parse, and the answer is None.
    """
    lines = text.split("\n")[first - 1 :]
    if not lines:
        return None
    indent = _indent(lines[0])
    end = 1
    inside = False
    for number, line in enumerate(lines):
        bare = line.lstrip()
        if inside and bare and bare[0] not in "#)]}" and _indent(line) <= indent:
            break
        inside = inside or bare.startswith(("def ", "async "))
        end = number + 1
    block = "\n".join(lines[:end])
    try:
        # Columns stay what they are where something stands before an indented block.
        tree = ast.parse(f"if 1:\n{block}" if indent else f"\n{block}")
    except SyntaxError:
        return None
    ast.increment_lineno(tree, first - 2)
    return tree


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _closure(function: FunctionType) -> dict[str, object]:
    names: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names
