"""``Stacks`` with names: the frames of kernel stacks by kallsyms, of processes by their files."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from syscast.state import stacks

if TYPE_CHECKING:
    from syscast.symbols.symbol import Symbol
    from syscast.symbols.user import UserSymbols

_REASONS = {errno.EFAULT: "(no stack)", errno.EEXIST: "(no room for the stack)"}


class Stacks(stacks.Stacks):
    """Stacks that probes keep: ``stacks.kernel()`` and ``stacks.user()`` give a number, a key or field like any.

    Args:
        max_entries: Most stacks; rounded up to a power of two. Two stacks may want the same place: the
            second then has no number but -17 (EEXIST).
        depth: Most frames of a stack, the innermost ones.
    """

    def __init__(self, max_entries: int = stacks.ENTRIES, depth: int = stacks.DEPTH) -> None:
        super().__init__(max_entries, depth)
        self._processes: dict[int, UserSymbols] = {}

    def frames(self, number: int, pid: int | None = None) -> tuple[Symbol, ...]:
        """The frames of a stack, the innermost first.

        Args:
            number: From a probe.
            pid: The process whose stack it is; None for a kernel stack. Once the process has ended, only what
                was asked for before has a name.
        """
        found = self.addresses(number)
        if pid is None:
            from syscast.symbols import kernel  # noqa: PLC0415  (only to name frames)

            return tuple(kernel.resolve(each) for each in found)
        process = self._processes.get(pid)
        if process is None:
            from syscast.symbols.user import UserSymbols  # noqa: PLC0415  (only to name frames)

            process = self._processes[pid] = UserSymbols(pid)
        return tuple(process.resolve(each) for each in found)

    def folded(self, number: int, pid: int | None = None) -> str:
        """A stack on one line, the outermost frame first, with ``;`` between: what flame graphs are made of.

        Args:
            number: As of `frames`.
            pid: As of `frames`.
        """
        frames = self.frames(number, pid)
        if not frames:
            return _REASONS.get(-number, "(no stack)")
        names = [each.name.replace(";", ":") or _nameless(each) for each in frames]
        return ";".join(reversed(names))


def _nameless(frame: Symbol) -> str:
    module = frame.module.rpartition("/")[2].strip("[]")
    return f"{module}+0x{frame.offset:x}" if module else f"0x{frame.offset:x}"
