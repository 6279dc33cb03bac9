"""``Link``: one attachment, by whatever means, with one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd


class Link(Protocol):
    """One program attached to one target. It ends with ``close``, or with the process."""

    def close(self) -> None:
        """Detach; a second call does nothing."""
        ...

    def missed(self) -> int | None:
        """Hits that the kernel left out since the attachment; None where it does not count them.

        Raises:
            KernelError: The kernel did not answer; ValueError: the link is closed.
        """
        ...

    def describe(self) -> str:
        """How and where it is attached: ``kprobe.multi on inet_listen``."""
        ...


class LoadedProgram(Protocol):
    """What a link needs of a loaded program; the loader's class has it."""

    @property
    def fd(self) -> Fd:
        """The program, still owned by the loader: a link never closes it."""
        ...
