"""Counts and histograms as text for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syscast.session.tally import Key
    from syscast.state.histogram import Distribution

    Counts = Sequence[tuple[Key, int]]
    Distributions = Sequence[tuple[Key, Distribution]]

_GAP = "  "


def count_lines(labels: Sequence[str], rows: Counts, top: int | None) -> Iterator[str]:
    """A table: the keys on the left, the counts on the right.

    Args:
        labels: Names of the keys' parts.
        rows: The largest count first.
        top: Rows to show; None for all. The rest is summed up in one line.
    """
    from syscast.events.text import escape  # noqa: PLC0415  (once there is something to show)

    shown = rows[:top]
    cells = [[*(escape(str(part)) for part in key), str(count)] for key, count in shown]
    header = [*(label.upper() for label in labels), "COUNT"]
    widths = [max(len(row[at]) for row in [header, *cells]) for at in range(len(header))]
    for row in [header, *cells]:
        parts = [part.ljust(width) for part, width in zip(row[:-1], widths[:-1], strict=True)]
        yield _GAP.join([*parts, row[-1].rjust(widths[-1])])
    rest = rows[len(shown) :]
    if rest:
        yield f"({len(rest)} more, {sum(count for _, count in rest)} together)"


def hist_lines(
    labels: Sequence[str], value: str, rows: Distributions, top: int | None
) -> Iterator[str]:
    """A histogram for each key, an empty line between them.

    Args:
        labels: Names of the keys' parts.
        value: What the values are.
        rows: The one with most values first.
        top: Histograms to show; None for all. The rest is summed up in one line.
    """
    from syscast.events.text import escape  # noqa: PLC0415  (once there is something to show)

    shown = rows[:top]
    for at, (key, found) in enumerate(shown):
        if at:
            yield ""
        words = [f"{label}={part}" for label, part in zip(labels, key, strict=True)]
        yield escape(f"{', '.join(words) or value}: {_values(found.count)}")
        yield from drawn(found)
    if not rows:
        yield f"{value}: no values"
    rest = rows[len(shown) :]
    if rest:
        yield ""
        yield f"({len(rest)} more, {_values(sum(found.count for _, found in rest))} together)"


def drawn(found: Distribution) -> Sequence[str]:
    """The lines of a distribution, as it draws itself, without its title."""
    return [line for line in repr(found).split("\n") if line.startswith("  ")]


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


def count_json(labels: Sequence[str], rows: Counts, top: int | None) -> Mapping[str, object]:
    """One object: ``counts``, and with ``top`` the sum of the ``others``."""
    shown = rows[:top]
    made: dict[str, object] = {
        "counts": [{"by": _named(labels, key), "count": count} for key, count in shown]
    }
    if top is not None:
        made["others"] = sum(count for _, count in rows[len(shown) :])
    return made


def hist_json(
    labels: Sequence[str], value: str, rows: Distributions, top: int | None
) -> Mapping[str, object]:
    """One object: ``histograms`` with buckets from ``low`` to below ``high``; null is no bound."""
    shown = rows[:top]
    made: dict[str, object] = {
        "value": value,
        "histograms": [
            {
                "by": _named(labels, key),
                "count": found.count,
                "buckets": [
                    {"low": low, "high": high, "count": count}
                    for low, high, count in found.buckets
                ],
            }
            for key, found in shown
        ],
    }
    if top is not None:
        made["others"] = sum(found.count for _, found in rows[len(shown) :])
    return made


def _named(labels: Sequence[str], key: Key) -> dict[str, object]:
    return dict(zip(labels, key, strict=True))
