"""Histograms as text and as JSON: what bcc's tools print of tables filled with slots.

The layouts are those in the tools' documentation. A table's keys are slots, or structs of a bucket and a slot; each
bucket gets a histogram of its own under a heading.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from _ctypes import _CData as CData
    from collections.abc import Callable, Iterable, Sequence

    from syscast.bcc.structs import CType

    Bucket: TypeAlias = object
    BucketFn: TypeAlias = "Callable[[Bucket], Bucket] | None"
    SortFn: TypeAlias = "Callable[[list[Bucket]], list[Bucket]] | None"
    PrintFn: TypeAlias = "Callable[[Bucket], object] | None"
    Counts: TypeAlias = "dict[Bucket, list[int]]"

log2_index_max = 65
linear_index_max = 1025

_STARS = 40
_WIDE_STARS = 20
_LAST_NARROW = 32


def log2_rows(vals: Sequence[int]) -> list[tuple[int, int, int]]:
    """First value, last value and count of each power of two, up to the last one that is not empty.

    Args:
        vals: Counts by slot; slot n holds the values below 2**n, from 2**(n - 1) on.
    """
    last = _last(vals)
    rows = []
    for slot in range(1, last + 1):
        low, high = 1 << slot >> 1, (1 << slot) - 1
        rows.append((0 if low == high else low, high, vals[slot]))
    return rows


def log2_text(vals: Sequence[int], val_type: str, *, strip_leading_zero: bool | None) -> list[str]:
    """The lines of a histogram of powers of two; none if all counts are zero."""
    last = _last(vals)
    if last < 0:
        return []
    wide = last > _LAST_NARROW
    width, stars = (20, _WIDE_STARS) if wide else (10, _STARS)
    heading = f"{'':15}{val_type:<29}" if wide else f"{'':5}{val_type:<19}"
    lines = [f"{heading} : count     distribution"]
    most = max(vals)
    for low, high, count in _stripped(log2_rows(vals), strip=strip_leading_zero):
        bar = _bar(count, most, stars)
        lines.append(f"{low:>{width}} -> {high:<{width}} : {count:<8} |{bar:<{stars}}|")
    return lines


def linear_text(
    vals: Sequence[int], val_type: str, *, strip_leading_zero: bool | None
) -> list[str]:
    """The lines of a histogram with one row for each value; none if all counts are zero."""
    last = _last(vals)
    if last < 0:
        return []
    lines = [f"{'':5}{val_type:<13} : count     distribution"]
    most = max(vals)
    rows = [(slot, slot, vals[slot]) for slot in range(last + 1)]
    for slot, _, count in _stripped(rows, strip=strip_leading_zero):
        lines.append(f"{'':8}{slot:<10} : {count:<8} |{_bar(count, most, _STARS):<{_STARS}}|")
    return lines


def get_json_hist(
    vals: Sequence[int], val_type: str, section_bucket: tuple[object, object] | None = None
) -> dict[object, object]:
    """A histogram of powers of two as a dictionary, with the time of day.

    Args:
        vals: Counts by slot.
        val_type: The values' unit.
        section_bucket: A further key and value.
    """
    data = [
        {"interval-start": low, "interval-end": high, "count": count}
        for low, high, count in log2_rows(vals)
    ]
    found: dict[object, object] = {
        "ts": time.strftime("%Y-%m-%d %H:%M:%S"),
        "val_type": val_type,
        "data": data,
    }
    if section_bucket is not None:
        found[section_bucket[0]] = section_bucket[1]
    return found


def _last(vals: Sequence[int]) -> int:
    return max((slot for slot, count in enumerate(vals) if count > 0), default=-1)


def _stripped(
    rows: list[tuple[int, int, int]], *, strip: bool | None
) -> list[tuple[int, int, int]]:
    if not strip:
        return rows
    first = next((at for at, row in enumerate(rows) if row[2]), len(rows))
    return rows[first:]


def _bar(count: int, most: int, stars: int) -> str:
    return "*" * (count * stars // most) if most else ""


class Histograms:
    """The histogram methods of tables."""

    Key: CType

    def decode_c_struct(
        self,
        tmp: Counts,
        buckets: list[Bucket],
        bucket_fn: BucketFn,
        bucket_sort_fn: SortFn,
        index_max: int = log2_index_max,
    ) -> None:
        """Sort a table's counts into buckets by the first member of the keys; the second is the slot.

        Args:
            tmp: Gets the counts of each bucket.
            buckets: Gets the buckets, in the order to print them.
            bucket_fn: Makes another object of a bucket, such as one that can be compared.
            bucket_sort_fn: Puts the buckets in order.
            index_max: Slots that a bucket has.
        """
        names = [field[0] for field in cast("list[tuple[str]]", self.Key._fields_)]  # type: ignore[attr-defined]
        first = names[0]
        second = names[1] if names[1] != "__pad_1" else names[2]
        for key, leaf in _items(self):
            bucket: Bucket = getattr(key, first)
            if bucket_fn:
                bucket = bucket_fn(bucket)
            counts = tmp.setdefault(bucket, [0] * index_max)
            counts[getattr(key, second)] = cast("int", getattr(leaf, "value"))  # noqa: B009
        ordered = list(tmp)
        buckets.extend(bucket_sort_fn(ordered) if bucket_sort_fn else ordered)

    def print_json_hist(
        self,
        val_type: str = "value",
        section_header: str = "Bucket ptr",
        section_print_fn: PrintFn = None,
        bucket_fn: BucketFn = None,
        bucket_sort_fn: SortFn = None,
    ) -> None:
        """Print a dictionary for each bucket, on one line; see `get_json_hist`."""
        for bucket, vals in self._sections(bucket_fn, bucket_sort_fn, log2_index_max):
            if bucket is None:
                print(get_json_hist(vals[0], val_type))  # noqa: T201 - it is what the method is for
                continue
            shown = section_print_fn(bucket[0]) if section_print_fn else bucket[0]
            print(get_json_hist(vals[0], val_type, (section_header, shown)))  # noqa: T201

    def print_log2_hist(
        self,
        val_type: str = "value",
        section_header: str = "Bucket ptr",
        section_print_fn: PrintFn = None,
        bucket_fn: BucketFn = None,
        strip_leading_zero: bool | None = None,
        bucket_sort_fn: SortFn = None,
    ) -> None:
        """Print a histogram of powers of two for each bucket.

        Args:
            val_type: Heading of the values.
            section_header: What the buckets are.
            section_print_fn: Text of a bucket.
            bucket_fn: See `decode_c_struct`.
            strip_leading_zero: Leave the empty rows at the beginning out.
            bucket_sort_fn: See `decode_c_struct`.
        """
        for bucket, vals in self._sections(bucket_fn, bucket_sort_fn, log2_index_max):
            _heading(bucket, section_header, section_print_fn)
            _show(log2_text(vals[0], val_type, strip_leading_zero=strip_leading_zero))

    def print_linear_hist(
        self,
        val_type: str = "value",
        section_header: str = "Bucket ptr",
        section_print_fn: PrintFn = None,
        bucket_fn: BucketFn = None,
        strip_leading_zero: bool | None = None,
        bucket_sort_fn: SortFn = None,
    ) -> None:
        """Print a histogram with a row for each value; arguments as of `print_log2_hist`.

        Raises:
            IndexError: A slot is beyond the rows that there can be.
        """
        try:
            sections = self._sections(bucket_fn, bucket_sort_fn, linear_index_max)
        except IndexError:
            raise IndexError(
                f"Index in print_linear_hist() exceeds max of {linear_index_max}."
            ) from None
        for bucket, vals in sections:
            _heading(bucket, section_header, section_print_fn)
            _show(linear_text(vals[0], val_type, strip_leading_zero=strip_leading_zero))

    def _sections(
        self, bucket_fn: BucketFn, bucket_sort_fn: SortFn, index_max: int
    ) -> list[tuple[tuple[Bucket] | None, tuple[list[int]]]]:
        """The buckets with their counts; one without a bucket where the keys are slots."""
        if hasattr(self.Key, "_fields_"):
            tmp: Counts = {}
            buckets: list[Bucket] = []
            self.decode_c_struct(tmp, buckets, bucket_fn, bucket_sort_fn, index_max)
            return [((bucket,), (tmp[bucket],)) for bucket in buckets]
        vals = [0] * index_max
        for key, leaf in _items(self):
            vals[cast("int", getattr(key, "value"))] = cast("int", getattr(leaf, "value"))  # noqa: B009
        return [(None, (vals,))]


def _items(table: Histograms) -> Iterable[tuple[CData, CData]]:
    return cast("Iterable[tuple[CData, CData]]", cast("dict[CData, CData]", table).items())


def _heading(bucket: tuple[Bucket] | None, header: str, print_fn: PrintFn) -> None:
    if bucket is None:
        return
    shown = print_fn(bucket[0]) if print_fn else repr(bucket[0])
    print(f"\n{header} = {shown}")  # noqa: T201 - it is what the method is for


def _show(lines: list[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - it is what the method is for
