"""One link from a program to many kernel functions, through ftrace (fprobe)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.kernel import bpflinks
from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.kernel.descriptors import Fd


class KprobeMultiLink(OwnedLink):
    """A kprobe program, loaded with attach type ``trace_kprobe_multi``."""

    @classmethod
    def attach(
        cls,
        program: Fd,
        *,
        symbols: Sequence[str] = (),
        addresses: Sequence[int] = (),
        on_return: bool = False,
        text: str = "",
    ) -> KprobeMultiLink:
        """Attach; raises KernelError (ESRCH: a symbol that ftrace does not know).

        Args:
            program: The program.
            symbols: Names, or else ``addresses``.
            addresses: Of the functions' entries.
            on_return: At the return instead of the entry.
            text: How and where, for people; made of the symbols by default.
        """
        fd = bpflinks.link_kprobe_multi(
            program, symbols=symbols, addresses=addresses, on_return=on_return
        )
        form = "kretprobe.multi" if on_return else "kprobe.multi"
        return cls((fd,), program, text or f"{form} on {', '.join(symbols)}")

    def missed(self) -> int | None:
        """Hits lost to recursion in fprobe or to another program on the CPU; None if not counted."""
        return self._counted()
