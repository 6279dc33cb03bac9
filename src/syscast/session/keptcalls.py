"""What calls keep between entry and exit, where the exit never comes.

A task can end inside a call (``exit_group``, a kernel thread's last function), and a kretprobe that
has no room to watch a return misses it. The program itself notices when a task makes the same call
again in the same frame. What is left are the calls of tasks that are gone: their state is
taken out of the map here, and counted, so that the map has room for calls to come.
"""

from __future__ import annotations

import os
from collections import Counter
from struct import unpack, unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.loader.loaded import LoadedMap

_KEY = "<QQQ"  # task, frame, process << 32 | pair
_PAIRS = 0xFFFFFFFF


class KeptCalls:
    """The map of kept state of one object.

    Attributes:
        ended: Program id of the entry to calls whose task ended inside.
    """

    def __init__(self, states: LoadedMap, entries: Sequence[int]) -> None:
        """Prepare to sweep.

        Args:
            states: The map.
            entries: Program ids of the entries, in the order of the pairs' numbers.
        """
        self._states = states
        self._entries = entries
        self._suspects: set[tuple[bytes, int]] = set()
        self.ended: Counter[int] = Counter()

    def sweep(self) -> None:
        """Take out the state of tasks that are gone.

        A process that is gone is gone. A thread's number also vanishes when the thread calls
        execve, while its call goes on for a moment: it has to be gone at two sweeps.
        """
        suspects: set[tuple[bytes, int]] = set()
        for key, state in list(self._states.items()):
            _, _, owner = unpack(_KEY, key)
            process = owner >> 32
            (thread,) = unpack_from("<I", state, len(state) - 8)
            gone = not os.path.exists(f"/proc/{process}")  # noqa: PTH110  (see kernel.host)
            if not gone and not os.path.exists(f"/proc/{process}/task/{thread}"):  # noqa: PTH110
                suspects.add((key, thread))
                gone = (key, thread) in self._suspects
            if gone and self._states.delete(key):
                self.ended[self._entries[owner & _PAIRS]] += 1
        self._suspects = suspects
