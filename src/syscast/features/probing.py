"""Asking for features: each is probed at most once a process, and mostly not even once a boot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from syscast.errors import NotSupportedError, UsageError
from syscast.features.feature import INCONCLUSIVE, NO, YES, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syscast.features.feature import Feature

DISABLE = "SYSCAST_DISABLE"
"""Environment: names of features, with commas between, that answer no; for tests of fallbacks."""

_known: dict[str, Result] = {}
_rows: dict[str, Feature] = {}
_disk: list[str | None] = []


def rows() -> Mapping[str, Feature]:
    """All features by name, in the table's order."""
    if not _rows:
        from syscast.features.table import FEATURES  # noqa: PLC0415  # 10 ms, not when cached

        _rows.update((row.name, row) for row in FEATURES)
    return _rows


def probe(name: str) -> Result:
    """Whether the running kernel has a feature.

    Args:
        name: As in the table.

    Raises:
        UsageError: There is no such feature, or SYSCAST_DISABLE names one that is none.
    """
    disabled = os.environ.get(DISABLE)
    if disabled and name in _names(disabled):
        return Result(NO, f"disabled by {DISABLE}")
    _read_disk()
    found = _known.get(name)
    if found is None:
        row = _row(name)
        found = _ask(row)
        if _lasts(row, found):
            _write_disk()
    return found


def supported(name: str) -> bool:
    """Whether the answer of ``probe`` is yes."""
    return bool(probe(name))


def require(name: str) -> None:
    """Go on only with a feature; an inconclusive answer passes, as the real try will tell.

    Raises:
        NotSupportedError: The kernel lacks it.
        UsageError: There is no such feature.
    """
    result = probe(name)
    if result.outcome == NO:
        row = _row(name)
        raise NotSupportedError(
            f"feature '{name}': {row.description}: {result.reason} (without it: {row.fallback})",
            result.errno,
        )


def every() -> dict[str, Result]:
    """The answers of all features, by name, in the table's order; about 0.2 s the first time."""
    _read_disk()
    disabled = _names(os.environ.get(DISABLE, ""))
    fresh = [row for row in rows().values() if row.name not in _known and row.name not in disabled]
    for row in fresh:
        _ask(row)
    if fresh:
        _write_disk()
    return {name: probe(name) for name in rows()}


def forget() -> None:
    """Drop what this process knows, for tests; the next question reads the disk again."""
    _known.clear()
    _disk.clear()


def _ask(row: Feature) -> Result:
    found = row.probe()
    # An inconclusive answer is kept for this process only, so that it is told once.
    _known[row.name] = found
    return found


def _row(name: str) -> Feature:
    row = rows().get(name)
    if row is None:
        import difflib  # noqa: PLC0415  # only when a name is wrong

        near = ", ".join(difflib.get_close_matches(name, rows(), n=3))
        hint = f" (did you mean {near}?)" if near else ""
        raise UsageError(f"feature '{name}': probe: there is no such feature{hint}")
    return row


def _names(text: str) -> frozenset[str]:
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        _row(name)
    return names


def _read_disk() -> None:
    if _disk:
        return
    from syscast.features import cache  # noqa: PLC0415  # together with the table

    path = cache.location()
    _disk.append(path)
    if path is not None:
        for name, result in cache.read(path).items():
            _known.setdefault(name, result)


def _write_disk() -> None:
    from syscast.features import cache  # noqa: PLC0415  # together with the table

    if _disk and _disk[0] is not None:
        cache.write(_disk[0], dict(_lasting(_known.items())))


def _lasting(found: Iterable[tuple[str, Result]]) -> Iterable[tuple[str, Result]]:
    table = rows()
    for name, result in found:
        if name in table and _lasts(table[name], result):
            yield name, result


def _lasts(row: Feature, result: Result) -> bool:
    keeps = not row.volatile or (row.tells and result.outcome == YES)
    return result.outcome != INCONCLUSIVE and keeps
