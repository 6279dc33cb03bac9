"""``Stacks``: where programs were when a probe ran, as numbers that are keys and fields, and as frames in Python.

A probe keeps a stack with ``stacks.kernel()`` or ``stacks.user()`` and gets its number. Equal stacks have equal
numbers, so that counting by stack costs one number. Python turns numbers into addresses; `syscast.session.stacks` adds names.
"""

from __future__ import annotations

from struct import iter_unpack, pack
from typing import TYPE_CHECKING, ClassVar

from syscast.errors import UsageError
from syscast.events.fieldtypes import FieldType
from syscast.state.shape import U32, one
from syscast.state.state import MapPlan, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syscast.spec.meta import FieldMeta
    from syscast.state.store import Rows, Store

ENTRIES = 16384
DEPTH = 127
"""PERF_MAX_STACK_DEPTH, the most that the kernel keeps as it is set up by default."""


class Stacks(State):
    """Stacks that probes keep.

    Args:
        max_entries: Most stacks; rounded up to a power of two. Two stacks may want the same place: the
            second then has no number but -17 (EEXIST).
        depth: Most frames of a stack, the innermost ones.
    """

    parameters: ClassVar[int] = 0
    optional: ClassVar[bool] = True

    def __init__(self, max_entries: int = ENTRIES, depth: int = DEPTH) -> None:
        if not 0 < depth <= DEPTH:
            raise UsageError(f"Stacks: declare: depth {depth} is out of range (1 to {DEPTH})")
        self._depth = depth
        value = one(FieldType("bytes", 8 * depth))
        self._settle(MapPlan("stack_trace", one(U32), value, max_entries, drained=False))

    def types(self) -> tuple[tuple[FieldMeta, ...], tuple[FieldMeta, ...]]:
        """See `State.types`: the user gives none."""
        return (), ()

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {"max_entries": self._plan.entries, "depth": self._depth}

    # ------------------------------------------------------------ in a probe

    def kernel(self) -> int:
        """Inside a probe: the number of the kernel's stack; negative where there is none."""
        raise UsageError("Stacks.kernel() exists only inside a probe that the kernel runs")

    def user(self) -> int:
        """Inside a probe: the number of the process' own stack; negative where there is none.

        Frames are found by frame pointers, which not every program has (-fno-omit-frame-pointer).
        """
        raise UsageError("Stacks.user() exists only inside a probe that the kernel runs")

    # ------------------------------------------------------------ in Python

    def addresses(self, number: int) -> tuple[int, ...]:
        """The frames of a stack as addresses, the innermost first; empty where there is none."""
        if number < 0:
            return ()
        key = pack("<I", number & 0xFFFFFFFF)
        with self._lock:
            stores: list[Store] = [self._local]
            if self._kernel is not None:
                stores.append(self._kernel)
            rows = next((rows for store in stores if (rows := store.get(key))), None)
        return _frames(rows[0]) if rows else ()

    def __len__(self) -> int:
        return len(self._items())

    def clear(self) -> None:
        """Forget the stacks; their numbers mean nothing any more."""
        with self._lock:
            self._local.drain()
            if self._kernel is not None:
                for each in self._kernel.items():
                    self._kernel.remove(each[0])

    def _items(self) -> dict[int, tuple[int, ...]]:
        with self._lock:
            stores: list[Store] = [self._local]
            if self._kernel is not None:
                stores.append(self._kernel)
            return {
                int.from_bytes(key, "little"): _frames(rows[0])
                for store in stores
                for key, rows in store.items()
            }

    def _plain(self) -> dict[str, object]:
        return {
            "items": [{"key": key, "value": list(each)} for key, each in self._items().items()]
        }

    def __repr__(self) -> str:
        return f"<Stacks of {len(self)}>"

    # ------------------------------------------------------------ for sessions

    def _moved_in(self, store: Store) -> None:
        """Nothing moves: programs alone make stacks."""

    def _moved_out(self, items: Iterable[tuple[bytes, Rows]]) -> None:
        kept: Mapping[bytes, Rows] = dict(self._local.drain()) | dict(items)
        self._local.take_over(kept.items())


def _frames(data: bytes) -> tuple[int, ...]:
    found = []
    for (address,) in iter_unpack("<Q", data[: len(data) // 8 * 8]):
        if not address:
            break
        found.append(address)
    return tuple(found)
