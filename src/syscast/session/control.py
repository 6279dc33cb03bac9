"""What the reader tells the programs of one object while they run: the value of the map ``control``.

The map's page is shared with the kernel where it can be (see `syscast.spec.meta.CONTROL`), so that a word
costs one store. It is mapped when the first word is written, which most sessions never do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from syscast.kernel.bpfmaps import F_MMAPABLE
from syscast.kernel.memory import PAGE_SIZE, Mapping
from syscast.spec.meta import CONTROL, CONTROL_SIZE

if TYPE_CHECKING:
    from syscast.loader.loaded import LoadedMap

_PLACES = {name: (offset, size) for name, offset, size in CONTROL}


class Control:
    """Writes the words; a closed one takes no more, and one in a forked child none."""

    __slots__ = ("_closed", "_map", "_owner", "_pages", "_values", "_views")

    def __init__(self, held: LoadedMap) -> None:
        self._map = held
        self._pages: Mapping | None = None
        self._views: dict[str, memoryview] = {}
        self._values = bytearray(CONTROL_SIZE)
        self._closed = False
        self._owner = os.getpid()

    @property
    def shared(self) -> bool:
        """Whether programs see a word at once and for next to nothing."""
        return bool(self._map.spec.flags & F_MMAPABLE)

    def set(self, name: str, value: int) -> None:
        """Write one word, by its name in `CONTROL`; does nothing once closed, or in a forked child.

        Raises:
            KernelError: The page cannot be mapped, or the map not be written.
        """
        if os.getpid() != self._owner:  # the programs are the parent's
            return
        view = self._views.get(name)
        if view is None:
            view = self._view(name)
            if view is None:
                return
        try:
            view[0] = value
        except ValueError:  # another thread closes
            return
        if self._pages is None:
            self._map.update(0, bytes(self._values))

    def _view(self, name: str) -> memoryview | None:
        """Where a word stands, mapped at first use; None once closed."""
        if self._closed:
            return None
        offset, size = _PLACES[name]
        if self.shared:
            if self._pages is None:
                self._pages = Mapping(self._map.fd, PAGE_SIZE, writable=True)
            view = self._pages.part(offset, size, "Q" if size == 8 else "I")
        else:
            whole = memoryview(self._values)
            view = whole[offset : offset + size].cast("Q" if size == 8 else "I")
        self._views[name] = view
        return view

    def close(self) -> None:
        """Unmap; a second call does nothing."""
        self._closed = True
        if self._pages is not None:
            self._pages.close()
