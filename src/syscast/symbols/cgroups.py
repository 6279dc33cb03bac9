"""From the cgroup id that the kernel reports to the cgroup's path, and on to its owner.

The id is the inode number of the directory in the cgroup2 hierarchy, which may be mounted
below the version 1 hierarchies (/sys/fs/cgroup/unified). Where containers live in version 1
hierarchies only, the process itself must be asked.
"""

from __future__ import annotations

import os
import time

from syscast.kernel.host import cgroup_paths, mounts
from syscast.kernel.textfiles import device_and_inode
from syscast.symbols.container import Owner, owner

# A walk takes about 1 ms per 100 cgroups. One that failed is not repeated for this many seconds,
# so that a storm of short-lived cgroups cannot keep the reader busy.
_PAUSE = 0.05
_WALKS_PER_ID = 3


class Cgroups:
    """Paths and owners by cgroup id, remembered; one object serves a whole session."""

    def __init__(self, root: str | None = None) -> None:
        """Look at a mounted hierarchy; that of this machine if None."""
        self._root = root if root is not None else next(mounts("cgroup2"), None)
        self._paths: dict[int, str] = {}
        self._owners: dict[int, Owner] = {}
        self._misses: dict[int, int] = {}
        self._walked = -_PAUSE

    def path(self, cgroup_id: int) -> str | None:
        """The path below the hierarchy's root, from ``/``; None if it is gone or unknown."""
        found = self._paths.get(cgroup_id)
        if found is None and self._may_walk(cgroup_id):
            self._walk()
            found = self._paths.get(cgroup_id)
            if found is None:
                self._misses[cgroup_id] = self._misses.get(cgroup_id, 0) + 1
        return found

    def owner(self, cgroup_id: int, pid: int = 0) -> Owner:
        """The container or unit of a cgroup.

        Args:
            cgroup_id: As ``bpf_get_current_cgroup_id`` gives it.
            pid: A process in it, asked where the id says nothing; 0 for none.
        """
        known = self._owners.get(cgroup_id)
        if known is not None:
            return known
        path = self.path(cgroup_id)
        found = owner(path) if path is not None else Owner()
        if found.container is None and found.unit is None and pid:
            # Not remembered: in the root of version 2, each process may differ.
            return owner_of_process(pid)
        if path is not None:
            self._owners[cgroup_id] = found
        return found

    def _may_walk(self, cgroup_id: int) -> bool:
        if self._root is None or self._misses.get(cgroup_id, 0) >= _WALKS_PER_ID:
            return False
        return time.monotonic() - self._walked >= _PAUSE

    def _walk(self) -> None:
        assert self._root is not None
        root = self._root
        top = device_and_inode(root)
        # A removed cgroup keeps its entry: its last events are still to be named.
        if top is not None:
            self._paths[top[1]] = "/"
        pending = [root]
        while pending:
            here = pending.pop()
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            self._paths[entry.inode()] = entry.path[len(root) :]
                            pending.append(entry.path)
            except OSError:
                continue  # removed meanwhile, or not ours to read
        self._walked = time.monotonic()


def owner_of_process(pid: int) -> Owner:
    """The container or unit of a process by its /proc entry; empty once it is gone."""
    paths = cgroup_paths(pid)
    # The unified hierarchy and systemd's own come first; in others, only containers tell.
    order = sorted(paths, key=lambda name: (name != "", name != "name=systemd"))
    best = Owner()
    for name in order:
        found = owner(paths[name])
        if found.container is not None:
            return found
        if best.unit is None:
            best = found
    return best
