"""What calls keep between entry and exit, where the exit never comes.

A task can end inside a call (``exit_group``, a kernel thread's last function), and a kretprobe that
has no room to watch a return misses it. The program itself notices when a task makes the same call
again in the same frame. What is left are the calls of tasks that are gone: their state is
taken out of the map here, and counted, so that the map has room for calls to come.

The state of a call that still runs must never be taken. So nothing is unless /proc shows every task
under the kernel's own number, and while the programs are attached a task has to be missing at two looks.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from struct import unpack, unpack_from
from typing import TYPE_CHECKING

from syscast.kernel.host import FIRST_PID_NAMESPACE, namespace_inode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    class States(Protocol):
        """What is used of a `syscast.loader.loaded.LoadedMap`."""

        def items(self) -> Iterable[tuple[bytes, bytes]]:
            """All keys and values."""

        def delete(self, key: bytes) -> bool:
            """Remove a key; tells whether it was there."""


_KEY = "<QQQ"  # task, frame, process << 32 | pair
_PAIRS = 0xFFFFFFFF
APART_S = 1.0
"""Between two looks that both miss a task, far longer than what a task does while /proc misses it: the
rest of an execve that gave a thread another number, the rest of do_exit()."""


class Tasks:
    """The tasks that a mounted proc file system shows, proc(5)."""

    def __init__(self, proc: str = "/proc", namespace: int = FIRST_PID_NAMESPACE) -> None:
        """Read nothing yet.

        Args:
            proc: Where it is mounted.
            namespace: Inode of the PID namespace whose numbers the kernel's programs see.
        """
        self._proc = proc
        self._namespace = namespace

    def all_seen(self) -> bool:
        """Whether a task that is not shown is gone.

        Not so in another PID namespace, nor under a proc that is mounted for another one (it has no
        ``self``), nor where ``hidepid`` hides the processes of others (2 and 4; 1 only refuses to show
        what is in their directories).
        """
        return namespace_inode("self", "pid", self._proc) == self._namespace and self.has(1, 1)

    def has(self, process: int, thread: int) -> bool:
        """Whether a process has a thread, as far as one may see; what may not be looked at is there."""
        try:
            os.stat(f"{self._proc}/{process}/task/{thread}")  # noqa: PTH116  (see kernel.host)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except OSError:
            return True
        return True


class KeptCalls:
    """The map of kept state of one object.

    Attributes:
        ended: Program id of the entry to calls whose task ended inside.
    """

    def __init__(
        self,
        states: States,
        entries: Sequence[int],
        tasks: Tasks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to sweep.

        Args:
            states: The map.
            entries: Program ids of the entries, in the order of the pairs' numbers.
            tasks: Where to look for tasks; /proc, if not given.
            clock: Seconds that never go back.
        """
        self._states = states
        self._entries = entries
        self._tasks = tasks or Tasks()
        self._clock = clock
        self._missed: dict[tuple[bytes, int], float] = {}
        self.ended: Counter[int] = Counter()

    def sweep(self, *, detached: bool = False) -> None:
        """Take out the state of tasks that are gone.

        A task may vanish from /proc before its call is over: a thread that calls execve gets
        another number, a task that exits is released before its last functions return.

        Args:
            detached: No exit can come any more, so that one look is enough.
        """
        if not self._tasks.all_seen():
            return
        now = self._clock()
        missed: dict[tuple[bytes, int], float] = {}
        for key, state in list(self._states.items()):
            _, _, owner = unpack(_KEY, key)
            process = owner >> 32
            (thread,) = unpack_from("<I", state, len(state) - 8)
            # Process 0 are the idle CPUs, with the interrupts that they take. It has no directory.
            if process == 0 or self._tasks.has(process, thread):
                continue
            since = self._missed.get((key, thread), now)
            if not detached and now - since < APART_S:
                missed[key, thread] = since
            elif self._states.delete(key):
                self.ended[self._entries[owner & _PAIRS]] += 1
        self._missed = missed
