"""Filters that the kernel cannot run: they look at the events of a block before anybody else does.

What they hold back is taken out of the block, so that events, tuples and batches are all the same;
the ledger counts it as filtered.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from syscast.errors import UsageError
from syscast.events.block import walk
from syscast.events.schema import RING_HEADER_SIZE, pad
from syscast.spec.meta import RECORD_HEADER_SIZE, SiteMeta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.events.envelope import RawRecord
    from syscast.events.event import Event
    from syscast.events.records import Decoder
    from syscast.events.where import Where

_PROGRAM_AT = 34
_COUNTED = (ArithmeticError, LookupError, ValueError, AssertionError, MemoryError)
"""What a filter in the kernel counts and goes on after, as every probe does."""


class Sieve:
    """The filters of one object's programs.

    Attributes:
        held: Program id to events held back, those among them at which a filter raised.
        raised: Program id and place to events at which a filter raised.
    """

    def __init__(self, filters: Mapping[int, Where], decoder: Decoder) -> None:
        self._filters = filters
        self._decoder = decoder
        self.held: Counter[int] = Counter()
        self.raised: Counter[tuple[int, SiteMeta]] = Counter()

    def sift(self, block: bytes) -> bytes:
        """A block without the records that a filter refuses; damaged ones stay in.

        Raises:
            UsageError: A filter raised what no probe counts: it asks for what is not there.
        """
        view = memoryview(block)
        kept: list[memoryview] = []
        seen: list[RawRecord] = []
        gone = 0
        start = 0
        for at, size in zip(*walk(view), strict=True):
            end = at + pad(max(size, 0))
            if size < RECORD_HEADER_SIZE:
                continue
            program = view[at + _PROGRAM_AT] | view[at + _PROGRAM_AT + 1] << 8
            found = self._decoder.peek(view[at : at + size])
            if found is None:
                continue
            raw, event = found
            seen.append(raw)
            where = self._filters.get(program)
            if where is not None and not self._wanted(program, where, event):
                gone += 1
                kept.append(view[start : at - RING_HEADER_SIZE])
                start = end
        if not gone:
            return block
        rest = b"".join([*kept, view[start:]])
        self._decoder.set_aside(gone, seen, rest)
        return rest

    def _wanted(self, program: int, where: Where, event: Event) -> bool:
        try:
            if where.holds(event):
                return True
        except _COUNTED as error:
            self.raised[program, _site(error)] += 1
        except Exception as error:
            site = _site(error)
            raise UsageError(
                f"filter 'where': run: {type(error).__name__}: {error} ({site.file}:{site.line})"
            ) from error
        self.held[program] += 1
        return False


def _site(error: Exception) -> SiteMeta:
    """Where an exception came from."""
    import linecache  # noqa: PLC0415  (only when a filter raises)

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return SiteMeta(-1, type(error).__name__, "", 0, 0)
    file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    text = linecache.getline(file, line).strip()
    return SiteMeta(-1, type(error).__name__, file, line, 1, text)
