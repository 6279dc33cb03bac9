"""Texts as trees, so that they can be made smaller piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Expr:
    """An integer expression: ``form`` with a ``%s`` for each of its parts.

    Attributes:
        needed: It must stay, such as the mask of an index.
    """

    form: str
    parts: tuple[Expr, ...] = ()
    needed: bool = False

    def text(self) -> str:
        """As C."""
        return self.form % tuple(part.text() for part in self.parts) if self.parts else self.form

    def smaller(self) -> Iterator[Expr]:
        """The same with one piece less."""
        if self.form not in {"0", "1"}:
            yield Expr("1")
            if not self.needed:
                yield from self.parts
        for number, part in enumerate(self.parts):
            for less in part.smaller():
                parts = (*self.parts[:number], less, *self.parts[number + 1 :])
                yield Expr(self.form, parts, self.needed)


@dataclass(frozen=True)
class Stmt:
    """A statement: a line with a ``%s`` for each expression, and blocks behind it.

    Attributes:
        form: The line; with blocks it ends before their braces.
        exprs: What goes into it.
        blocks: Bodies in braces, ``between`` stands before each but the first.
        between: Such as ``else``.
        after: Behind the last brace.
    """

    form: str
    exprs: tuple[Expr, ...] = ()
    blocks: tuple[tuple[Stmt, ...], ...] = ()
    between: str = ""
    after: str = ""

    def lines(self, indent: str = "  ") -> Iterator[str]:
        """As C."""
        head = self.form % tuple(each.text() for each in self.exprs) if self.exprs else self.form
        if not self.blocks:
            yield indent + head
            return
        for number, block in enumerate(self.blocks):
            yield f"{indent}{head if not number else self.between} {{"
            for each in block:
                yield from each.lines(indent + "  ")
            yield f"{indent}}}{self.after if number == len(self.blocks) - 1 else ''}"

    def smaller(self) -> Iterator[tuple[Stmt, ...]]:
        """What may stand in its place."""
        yield ()
        yield from self.blocks
        for number, block in enumerate(self.blocks):
            for less in smaller_block(block):
                blocks = (*self.blocks[:number], less, *self.blocks[number + 1 :])
                yield (replace(self, blocks=blocks),)
        for number, expr in enumerate(self.exprs):
            for smaller in expr.smaller():
                exprs = (*self.exprs[:number], smaller, *self.exprs[number + 1 :])
                yield (replace(self, exprs=exprs),)


def smaller_block(block: tuple[Stmt, ...]) -> Iterator[tuple[Stmt, ...]]:
    """A block with less in it: first without halves of it, then without single statements."""
    if len(block) > 3:
        half = len(block) // 2
        yield block[half:]
        yield block[:half]
    for number, each in enumerate(block):
        for less in each.smaller():
            yield (*block[:number], *less, *block[number + 1 :])


@dataclass(frozen=True)
class Program:
    """One generated program.

    Attributes:
        number: Its place in the seed's sequence, part of all its global names.
        types: Struct, union and enum declarations, whole.
        functions: Helpers: head and body.
        body: Of the program function.
    """

    number: int
    types: tuple[str, ...]
    functions: tuple[tuple[str, tuple[Stmt, ...]], ...]
    body: tuple[Stmt, ...]

    @property
    def name(self) -> str:
        """Of the program function."""
        return f"p{self.number}"

    def text(self) -> str:
        """As C, without the prelude."""
        lines = list(self.types)
        for head, body in self.functions:
            lines += [f"{head} {{", *(line for each in body for line in each.lines()), "}"]
        lines += [f"int {self.name}(struct bpf_raw_tracepoint_args *ctx) {{"]
        lines += [line for each in self.body for line in each.lines()]
        return "\n".join([*lines, "}"]) + "\n"

    def smaller(self) -> Iterator[Program]:
        """The same with one piece less."""
        for number in range(len(self.functions)):
            yield replace(self, functions=self.functions[:number] + self.functions[number + 1 :])
        for body in smaller_block(self.body):
            yield replace(self, body=body)
        for number, (head, body) in enumerate(self.functions):
            for less in smaller_block(body):
                functions = (*self.functions[:number], (head, less), *self.functions[number + 1 :])
                yield replace(self, functions=functions)
        for number in range(len(self.types)):
            yield replace(self, types=self.types[:number] + self.types[number + 1 :])
