"""Which reader a map of events takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import UsageError

if TYPE_CHECKING:
    from syscast.buffers.reader import Reader
    from syscast.loader.loaded import LoadedMap


def open_reader(events: LoadedMap, ring_size: int = 0, *, whole_words: bool = True) -> Reader:
    """The reader for a map of events.

    Args:
        events: A map of type ``ringbuf`` or ``perf_event_array``.
        ring_size: For perf rings, bytes of all CPUs together (``LoadedObject.ring_size``).
        whole_words: For perf rings: all records are multiples of 8 bytes, as syscast's own are,
            so that padding can be told from content. Without it up to 7 bytes may follow a record.

    Raises:
        UsageError: The map is of another type.
        KernelError: The ring cannot be mapped.
    """
    if events.spec.type == "ringbuf":
        from syscast.buffers.ring import RingReader  # noqa: PLC0415 - only one of both is used

        return RingReader(events.fd, events.spec.max_entries)
    if events.spec.type == "perf_event_array":
        from syscast.buffers.perf import PerfReader  # noqa: PLC0415 - only one of both is used

        return PerfReader(events, ring_size, whole_words=whole_words)
    raise UsageError(
        f"map '{events.spec.name}': read: a map of type {events.spec.type} is no ring"
    )
