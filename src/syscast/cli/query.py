"""The words of ``count`` and ``hist``: targets, the value, and what stands behind ``by``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator, Sequence

    from syscast.compiler.driver import Expressions
    from syscast.frontend.python.source import SourceText
    from syscast.session.tally import Linear, Query

BY = "by"
_TARGET = re.compile(r"[\w.*?\[\]!^-]+(?::[\w.*?\[\]!^-]+)*")
_COLONS = re.compile(r"[A-Za-z_][\w.]*(?::[\w.*?\[\]!^-]+)+")


def read(
    words: Sequence[str],
    targets: Sequence[str],
    condition: str | None,
    *,
    with_value: bool,
    entries: int = 0,
    linear: Linear | None = None,
) -> Query:
    """Take a command line apart: ``TARGET... [VALUE] [by KEY, KEY]``.

    Args:
        words: The positional arguments.
        targets: Those of ``-t``.
        condition: The text of ``--if``, or None.
        with_value: Whether one expression stands behind the targets (``hist``).
        entries: Of ``--keys``; 0 for what is sensible.
        linear: Of ``--linear``.

    Raises:
        click.UsageError: Something is missing, or is no target.
        CompileError: An expression does not parse.
        UsageError: Two keys have one name.
    """
    before, after = _cut(words)
    names = [name for text in targets for name in text.split(",")]
    texts: list[str] = []
    for word in before:
        if _is_target(word, first=not names, with_value=with_value):
            names += word.split(",")
        else:
            texts.append(word)
    for name in names:
        if not _TARGET.fullmatch(name) and not _in_file(name):
            raise click.UsageError(
                f"'{name}' can be no target; one is tcp_connect, 'tcp_*', syscall:openat or 'syscall:*'"
            )
    if not names:
        raise click.UsageError("no target is given, such as tcp_connect, 'tcp_*' or 'syscall:*'")
    value = _value(texts, names[0]) if with_value else None
    keys = _expressions(_pieces(" ".join(after)), condition)
    from syscast.session.tally import Query  # noqa: PLC0415  (once the words are told apart)

    return Query(tuple(dict.fromkeys(names)), keys.fields, value, keys.condition, linear, entries)


def _cut(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before and behind the word ``by``, which may also stand inside a quoted word."""
    before: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        head, found, tail = (
            ("", BY, "")
            if word == BY
            else re.sub(r"\s+by\s+", "\0", word, count=1).partition("\0")
        )
        if not found:
            before.append(word)
            continue
        if head:
            before.append(head)
        after = [*([tail] if tail else []), *rest]
        if not " ".join(after).strip():
            raise click.UsageError("no key stands behind 'by', such as comm or pid")
        return before, after
    return before, []


def _is_target(word: str, *, first: bool, with_value: bool) -> bool:
    """Of ``count`` every word; of ``hist`` the first, and those with a kind or a pattern."""
    return first or not with_value or bool(_COLONS.fullmatch(word)) or _in_file(word)


def _in_file(word: str) -> bool:
    """Whether a word is a target in user space, where nearly every character may stand."""
    from syscast.probes import names  # noqa: PLC0415  (once there are words)

    return names.in_user_space(word)


def _value(texts: Sequence[str], target: str) -> tuple[str, ast.expr, SourceText]:
    if not texts:
        raise click.UsageError(
            f"no value is given, such as: syscast hist {target} duration (or ret, or an argument)"
        )
    (found, *more) = _expressions([" ".join(texts)], None).fields
    if more:
        raise click.UsageError("a histogram has one value; keys stand behind 'by'")
    return found


def _expressions(pieces: Sequence[str], condition: str | None) -> Expressions:
    from syscast.cli import expressions  # noqa: PLC0415  (once the words are told apart)

    return expressions.parse(pieces, condition)


def _pieces(text: str) -> list[str]:
    """The keys' texts."""
    return [each for each in _cut_at_commas(text) if each]


def _cut_at_commas(text: str) -> Iterator[str]:
    """Cut at the commas that stand outside brackets and quotes."""
    depth, quote, start = 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and not depth:
            yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        yield text[start:].strip()
