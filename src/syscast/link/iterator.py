"""Links of iterator programs, and the files through which they run.

A link is a table narrowed down (to a process, to a map); each file opened from it is one walk through
the table. The kernel runs the program while the file is read, for as many elements as fit into its
buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.kernel import bpflinks
from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from syscast.kernel.descriptors import Fd


class IteratorLink(OwnedLink):
    """A program of attach type ``trace_iter``."""

    @classmethod
    def attach(cls, program: Fd, table: str, info: bytes = b"") -> IteratorLink:
        """Attach.

        Args:
            program: Loaded with its table's BTF id.
            table: For people: ``task_file``.
            info: ``union bpf_iter_link_info``, which narrows the table down; may be empty.

        Raises:
            KernelError: EINVAL or EBADF where the table needs a narrower choice, or knows no such one.
        """
        return cls((bpflinks.link_iter(program, info),), program, f"iter on {table}")

    def open(self) -> Fd:
        """A file at the table's start, in the calling thread's network and PID namespaces.

        Raises:
            KernelError: Refused; ValueError: the link is closed.
        """
        if not self._fds:
            raise ValueError(f"{self._text}: open: the link is closed")
        return bpflinks.iter_create(self._fds[0])

    def missed(self) -> int | None:
        """None are ever left out: the program runs in the reader's own system call."""
        return 0
