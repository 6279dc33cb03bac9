"""What all links share: they own descriptors and close them in order, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from syscast.kernel.descriptors import Fd


class OwnedLink:
    """Base of links whose life is that of their descriptors.

    Args:
        fds: Owned from here on; closed in this order.
        program: The attached program, owned by its loader.
        text: What ``describe`` says.
    """

    def __init__(self, fds: tuple[Fd, ...], program: Fd, text: str) -> None:
        self._fds = fds
        self._program = program
        self._text = text

    def close(self) -> None:
        """Detach; a second call does nothing."""
        fds, self._fds = self._fds, ()
        for fd in fds:
            fd.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return not self._fds

    def missed(self) -> int | None:
        """Hits that the kernel left out; None where it does not count them."""
        from syscast.kernel import bpfinfo  # noqa: PLC0415 - 2 ms, and not to attach

        return bpfinfo.prog_info(self._program).recursion_misses

    def _counted(self) -> int | None:
        """Hits lost at the attachment (the first descriptor) and by the program, if counted."""
        from syscast.kernel import bpfinfo  # noqa: PLC0415 - as above

        lost = bpfinfo.link_info(self._fds[0]).missed if self._fds else None
        if lost is None:
            return None
        return lost + (bpfinfo.prog_info(self._program).recursion_misses or 0)

    def describe(self) -> str:
        """How and where it is attached."""
        return self._text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "attached"
        return f"{type(self).__name__}({self._text!r}, {state})"
