"""One program attached several times, as one link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd
    from syscast.link.perf_event import PerfEventLink


class SeveralLinks(OwnedLink):
    """Owns the attachments of one program."""

    def __init__(self, links: Sequence[PerfEventLink], program: Fd, text: str) -> None:
        super().__init__((), program, text)
        self._links = list(links)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._links

    def close(self) -> None:
        """Detach from all; a second call does nothing."""
        links, self._links = self._links, []
        for link in links:
            link.close()

    def missed(self) -> int | None:
        """Hits that the kernel left out at any place; None where it does not count them."""
        counts = [each.missed() for each in self._links]
        known = [each for each in counts if each is not None]
        return sum(known) if known and len(known) == len(counts) else None
