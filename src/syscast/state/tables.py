"""Text for people: aligned tables, and histograms that draw themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.events.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 40
"""Characters of the longest bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_MOST = 100
"""Rows shown; the rest is told as a number."""


def table(title: str, rows: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> str:
    """A title, then name and value of each row, aligned."""
    shown = [(escape(name), escape(value)) for name, value in rows[:_MOST]]
    left = max((len(name) for name, _ in shown), default=0)
    right = max((len(value) for _, value in shown), default=0)
    numeric = all(value.lstrip("-").isdigit() for _, value in shown)
    lines = [title]
    for name, value in shown:
        aligned = value.rjust(right) if numeric else value
        lines.append(f"  {name:<{left}}  {aligned}".rstrip())
    if len(rows) > _MOST:
        lines.append(f"  ({len(rows) - _MOST} more)")
    return "\n".join([*lines, *notes])


def bar(count: int, most: int, width: int = WIDTH) -> str:
    """A bar in eighths of a character; something that is not zero is not invisible."""
    if count <= 0 or most <= 0:
        return ""
    eighths = max(1, round(count * width * 8 / most))
    return _FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def histogram(title: str, rows: Iterable[tuple[str, str, int]], notes: Sequence[str] = ()) -> str:
    """A title, then for each bucket its bounds, its count and a bar.

    Args:
        title: The first line; it may be a key, whose text comes from the kernel.
        rows: Lower bound, upper bound and count of each bucket, in order.
        notes: Lines behind it.
    """
    rows = list(rows)
    low = max((len(each) for each, _, _ in rows), default=0)
    high = max((len(each) for _, each, _ in rows), default=0)
    counts = max((len(str(count)) for *_, count in rows), default=0)
    most = max((count for *_, count in rows), default=0)
    lines = [escape(title)] if title else []
    for lower, upper, count in rows:
        lines.append(
            f"  {lower:>{low}} .. {upper:<{high}} {count:>{counts}} │{bar(count, most):<{WIDTH}}│"
        )
    return "\n".join([*lines, *notes])
