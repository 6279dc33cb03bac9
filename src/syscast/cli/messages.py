"""Words for people: messages on stderr, text on stdout, both safe for terminals."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syscast.link.many import Refused

NAMES_SHOWN = 4
"""Names that a message shows of many."""


def safe(text: str) -> str:
    """Escape what could steer a terminal, line by line; names in it may come from anywhere."""
    from syscast.events.text import escape  # noqa: PLC0415  (2 ms; most runs say nothing early)

    return "\n".join(escape(line.expandtabs()) for line in text.split("\n"))


def say(text: str) -> None:
    """Write a message to stderr; a stderr that is closed or full is no reason to fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"syscast: {safe(text)}", file=sys.stderr, flush=True)


def say_lines(lines: Iterable[str]) -> None:
    """Write lines that need no name in front to stderr; fails as little as `say`."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        for line in lines:
            print(safe(line), file=sys.stderr, flush=True)


def show(lines: Iterable[str]) -> None:
    """Write lines to stdout.

    Raises:
        SinkClosed: Nobody reads any more.
        SinkError: They cannot be written.
    """
    from syscast.sinks.sink import Output  # noqa: PLC0415  (only where text is the result)

    output = Output(sys.stdout, "stdout")
    output.write_text("".join(f"{safe(line)}\n" for line in lines))


def show_json(objects: Iterable[object]) -> None:
    """Write objects to stdout, one a line; raises as `show`."""
    import msgspec  # noqa: PLC0415  (with --json only)

    from syscast.sinks.sink import Output  # noqa: PLC0415

    lines = [msgspec.json.encode(each).decode() for each in objects]
    Output(sys.stdout, "stdout").write_text("".join(f"{line}\n" for line in lines))


def left_out(skipped: Sequence[Refused], *, most: int | None) -> list[str]:
    """Lines that name what could not be attached to, by reason.

    Args:
        skipped: Names and reasons.
        most: Names to show for each reason; None for all.
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in dict.fromkeys(skipped):  # two functions may have one name
        by_reason.setdefault(reason, []).append(name)
    lines = []
    for reason, names in sorted(by_reason.items(), key=lambda each: -len(each[1])):
        shown = ", ".join(names[:most])
        more = len(names) - len(names[:most])
        lines.append(f"left out: {shown}{f' and {more} more' if more else ''}: {reason}")
    return lines
