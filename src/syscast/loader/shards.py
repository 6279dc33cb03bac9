"""The rings that belong to one CPU each, made when they are wanted.

The map ``shards`` has room for all CPUs that are possible, and a ring for those that are online: a
machine may be prepared for hundreds of CPUs that it does not have. Where a program finds no ring under
its CPU's number, it uses the ring for all, ``events``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.errors import KernelError
from syscast.kernel import bpfmaps
from syscast.kernel.bpfmaps import MapAttr
from syscast.loader.loaded import slot
from syscast.loader.maps import explained, with_memlock

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd
    from syscast.loader.loaded import LoadedMap


class Shards:
    """Makes rings of CPUs and puts them where programs find them.

    Attributes:
        size: Bytes of each ring.
    """

    def __init__(self, outer: LoadedMap) -> None:
        """Prepare.

        Args:
            outer: The map of rings, whose model says how large they are.
        """
        assert outer.spec.inner is not None
        self._outer = outer
        self._model = outer.spec.inner
        self.size: int = self._model.max_entries

    def make(self, cpu: int) -> Fd:
        """Make the ring of a CPU, which its programs use from then on.

        Returns:
            The ring; the caller owns it.

        Raises:
            KernelError: The kernel refused.
        """
        model = self._model
        attr = MapAttr(bpfmaps.TYPE_RINGBUF, 0, 0, model.max_entries, model.flags, f"events.{cpu}")
        try:
            fd = with_memlock(lambda: bpfmaps.map_create(attr))
        except KernelError as error:
            raise explained(error, model) from None
        try:
            self._outer.update(cpu, slot(fd))
        except BaseException:
            fd.close()
            raise
        return fd
