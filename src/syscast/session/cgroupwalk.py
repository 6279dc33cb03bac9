"""The table ``cgroup`` where it is larger than the kernel's buffer.

A walk through it holds a lock, so that the kernel cannot leave off and go on: it refuses the second read
(``cgroup_iter_seq_start`` in kernel/bpf/cgroup_iter.c). Whether one read will do is told by the number of
directories; where it will not, each directory is a walk of its own.
"""

from __future__ import annotations

import contextlib
import os
from struct import pack
from typing import TYPE_CHECKING

from syscast.buffers.seqfile import SeqFile
from syscast.events.schema import RING_HEADER_SIZE
from syscast.kernel.descriptors import Fd
from syscast.link.iterator import IteratorLink
from syscast.session.table import E, Table
from syscast.spec.meta import RECORD_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_BUFFER = 8 * 4096
_SPARE = 64
"""Cgroups that may be made between the count and the walk."""
_SELF_ONLY = 1  # BPF_CGROUP_ITER_SELF_ONLY


class CgroupTable(Table[E]):
    """A table of a cgroup and those below it."""

    def _walks(self) -> Generator[SeqFile]:
        top = self._narrowing.cgroup
        if top is None:
            yield self._open()
            return
        found = list(directories(top, parents_first=self._narrowing.parents_first))
        sizes = [each.size for each in self._part.meta.schemas]
        row = RING_HEADER_SIZE + RECORD_HEADER_SIZE + max(sizes, default=0)
        if (len(found) + _SPARE) * row <= _BUFFER:
            yield self._open()
            return
        for path in found:
            # One that was removed meanwhile has no row.
            with contextlib.suppress(OSError), Fd.open(path, os.O_RDONLY | os.O_DIRECTORY) as fd:
                yield self._alone(fd)

    def _alone(self, directory: Fd) -> SeqFile:
        (program,) = self._part.loaded.programs.values()
        info = pack("<IIQ", _SELF_ONLY, directory.fileno(), 0)
        with IteratorLink.attach(program.fd, program.spec.target, info) as link:
            return SeqFile(link.open())


def directories(top: str, *, parents_first: bool) -> Iterator[str]:
    """A directory and those below it; what cannot be listed has none below."""
    if parents_first:
        yield top
    below = []
    with contextlib.suppress(OSError), os.scandir(top) as entries:
        below = [each.path for each in entries if each.is_dir(follow_symlinks=False)]
    for path in below:
        yield from directories(path, parents_first=parents_first)
    if not parents_first:
        yield top
