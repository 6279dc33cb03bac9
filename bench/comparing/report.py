"""Tables with ratios, the raw figures, the plot."""

# ruff: noqa: T201 - a benchmark prints

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from surroundings import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comparing.figures import Figure

_OURS = "syscast"
NEUTRAL = {"issued"}
"""What says how much was asked of a tracer, not how good it is."""


def raw(machine: str, rounds: int, figures: Sequence[Figure]) -> dict[str, object]:
    """Every single figure."""
    return {
        "machine": machine,
        "rounds": rounds,
        "figures": [vars(each) | {"median": each.middle} for each in figures],
    }


def show(figures: Sequence[Figure]) -> None:
    """A table for each part, then who wins what."""
    for part in dict.fromkeys(each.part for each in figures):
        print(f"{part}\n")
        mine = [each for each in figures if each.part == part]
        quantities = list(dict.fromkeys(each.quantity for each in mine))
        rows = []
        for tracer in dict.fromkeys(each.tracer for each in mine):
            cells = {each.quantity: each for each in mine if each.tracer == tracer}
            rows.append((tracer, *(_cell(cells.get(name), mine) for name in quantities)))
        table(("tracer", *quantities), rows)
        print()
    print("where a peer is better than syscast's best\n")
    won = list(_lost(figures))
    for line in won:
        print(f"- {line}")
    if not won:
        print("- nowhere")


def _cell(figure: Figure | None, mine: Sequence[Figure]) -> str:
    """The median, and how it stands to syscast's best: over 1 is worse than that."""
    if figure is None:
        return "-"
    text = f"{_number(figure.middle)} {figure.unit}".strip()
    if figure.quantity in NEUTRAL:
        return text
    best = _best(mine, figure.quantity)
    if best is None or figure is best or not best.middle:
        return text
    return f"{text} ({_worse(figure, best):.2g}x)"


def _number(value: float) -> str:
    """Three digits that count, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _worse(figure: Figure, best: Figure) -> float:
    """By how much a figure is worse than another one."""
    low, high = (best, figure) if figure.less else (figure, best)
    return high.middle / low.middle if low.middle else float("inf")


def _best(mine: Sequence[Figure], quantity: str) -> Figure | None:
    ours = [each for each in mine if each.quantity == quantity and each.family == _OURS]
    if not ours:
        return None
    return (min if ours[0].less else max)(ours, key=lambda each: each.middle)


def _lost(figures: Sequence[Figure]) -> list[str]:
    found = []
    for figure in figures:
        if figure.family == _OURS or figure.quantity in NEUTRAL:
            continue
        same = [each for each in figures if each.part == figure.part]
        best = _best(same, figure.quantity)
        if best is not None and _worse(figure, best) < 1:
            found.append(
                f"{figure.part}: {figure.quantity}: {figure.tracer} {_number(figure.middle)} {figure.unit}, "
                f"{best.tracer} {_number(best.middle)} {best.unit}"
            )
    return found


def can_plot() -> bool:
    """Whether the library is there."""
    return importlib.util.find_spec("matplotlib") is not None


def plot(figures: Sequence[Figure], path: str, machine: str) -> None:
    """Bars for each quantity of each part, on a logarithmic scale."""
    import matplotlib as mpl  # noqa: PLC0415 - only for plots

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    keys = list(
        dict.fromkeys((each.part, each.quantity, each.unit, each.less) for each in figures)
    )
    columns = 3
    lines = -(-len(keys) // columns)
    sheet, fields = plt.subplots(lines, columns, figsize=(18, 3.2 * lines), squeeze=False)
    colours = {
        "syscast": "tab:blue",
        "bcc": "tab:orange",
        "bpftrace": "tab:green",
        "C": "tab:grey",
    }
    for place in fields.flat[len(keys) :]:
        place.set_visible(False)
    for place, (part, quantity, unit, less) in zip(fields.flat, keys, strict=False):
        bars = [e for e in figures if (e.part, e.quantity) == (part, quantity)]
        place.barh(
            [e.tracer for e in bars],
            [e.middle for e in bars],
            color=[colours[e.family] for e in bars],
        )
        if all(e.middle > 0 for e in bars):
            place.set_xscale("log")
        place.invert_yaxis()
        direction = "less" if less else "more"
        place.set_title(
            f"{part}\n{quantity}, {unit or 'share'} ({direction} is better)", fontsize=8
        )
        place.tick_params(labelsize=7)
    sheet.suptitle(machine, fontsize=9)
    sheet.tight_layout()
    sheet.savefig(path)
