"""``EventStream``: one iteration over events and losses, for ``for`` and for ``async for``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_Item_co = TypeVar("_Item_co", covariant=True)


class EventStream(Generic[_Item_co]):
    """What `syscast.Session.stream` gives: iterate it once, in one of the two ways."""

    def __init__(
        self,
        forward: Callable[[], Iterator[_Item_co]],
        later: Callable[[], AsyncIterator[_Item_co]],
    ) -> None:
        self._forward = forward
        self._later = later
        self._running: Iterator[_Item_co] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _Item_co:
        if self._running is None:
            self._running = self._forward()
        return next(self._running)

    def __aiter__(self) -> AsyncIterator[_Item_co]:
        return self._later()


class Limit:
    """Counts up to a number of events.

    Attributes:
        reached: So many were counted.
    """

    def __init__(self, most: int | None) -> None:
        self._left = most
        self.reached: bool = most is not None and most <= 0

    def count(self) -> bool:
        """Count one more; tells whether that was the last."""
        if self._left is not None:
            self._left -= 1
            self.reached = self._left <= 0
        return self.reached
