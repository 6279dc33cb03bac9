"""The ledger as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syscast.events.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.events.ledgerrow import CpuRow, LedgerRow

UNKNOWN = "unknown"
_GAP = "  "


class _Column(NamedTuple):
    """One column: shown if some row has something there, or always."""

    title: str
    value: Callable[[LedgerRow], int | None]
    always: bool = True


_COLUMNS = (
    _Column("RAN", lambda row: row.ran),
    _Column("FILTERED", lambda row: row.filtered if row.sends else 0, always=False),
    _Column("RAISED", lambda row: row.raised, always=False),
    _Column("LIMITED", lambda row: row.limited, always=False),
    _Column("SAMPLED", lambda row: row.sampled, always=False),
    _Column("AGGREGATED", lambda row: row.aggregated, always=False),
    _Column("OVERWRITTEN", lambda row: row.overwritten, always=False),
    _Column("DISCARDED", lambda row: row.discarded, always=False),
    _Column("WAITING", lambda row: row.left, always=False),
    _Column("DELIVERED", lambda row: row.delivered),
    _Column("LOST", lambda row: row.lost),
    _Column("RING FULL", lambda row: row.dropped),
    _Column("MISSED", lambda row: row.missed),
    _Column("DAMAGED", lambda row: row.decode_errors, always=False),
    _Column("SHED", lambda row: row.shed, always=False),
)


def by_probe(probes: Sequence[LedgerRow], total: LedgerRow) -> list[str]:
    """Draw a row per probe, and their sum if there are several."""
    rows = [*probes, total] if len(probes) > 1 else list(probes)
    columns = [each for each in _COLUMNS if each.always or any(each.value(row) for row in rows)]
    titles = ["PROBE", *(each.title for each in columns)]
    cells = [[escape(row.probe), *(_number(each.value(row)) for each in columns)] for row in rows]
    return grid([titles, *cells])


def by_cpu(cpus: Sequence[CpuRow]) -> list[str]:
    """Draw a row per CPU."""
    columns: Mapping[str, Callable[[CpuRow], int]] = {
        "RAN": lambda row: row.ran,
        "TRIED": lambda row: row.tried,
        "READ": lambda row: row.read,
        "AGGREGATED": lambda row: row.aggregated,
        "OVERWRITTEN": lambda row: row.overwritten,
        "RING FULL": lambda row: row.dropped,
        "GAPS": lambda row: row.gaps,
    }
    rare = ("AGGREGATED", "OVERWRITTEN")
    unused = [name for name in rare if not any(columns[name](row) for row in cpus)]
    columns = {name: value for name, value in columns.items() if name not in unused}
    cells = [[str(row.cpu), *(_number(value(row)) for value in columns.values())] for row in cpus]
    return grid([["CPU", *columns], *cells])


def grid(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Align cells: the first ``left`` columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(
            cell.rjust(width) if at >= left else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
