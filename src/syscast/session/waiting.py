"""Where a session sleeps: until a ring has something, its command has ended, or `stop` was called."""

from __future__ import annotations

import os
import time
from _thread import RLock  # threading costs a start 2 ms
from functools import partial
from typing import TYPE_CHECKING

from syscast.kernel.polling import Poller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.kernel.spawn import StoppedCommand
    from syscast.session.part import Part

_COMMAND = "command"
_LEAVE_S = 2.0
"""How long `close` waits for other threads to leave the poller after they were woken."""
_DESCENDANTS_S = 0.05
"""How often descendants that outlive the command are looked for."""
_WAIT_S = 0.02
"""How often `idle` looks whether the session has ended."""


class Waiting:
    """One session's poller, and whether the session has ended.

    Any thread and any signal handler may call `stop`; one thread at a time sleeps.

    Attributes:
        ending: `stop` was called, or the command and its descendants are gone.
        closed: The session is closed.
    """

    def __init__(self, parts: Sequence[Part], command: StoppedCommand | None) -> None:
        self._parts = parts
        self._command = command
        self._owner = os.getpid()
        self._poller = Poller()
        self.ending: bool = False
        self.closed: bool = False
        self._asleep = RLock()
        self._told: Callable[[], object] | None = None
        for part in parts:
            if part.reader is not None:
                self._poller.add(part.reader.fd, part)
        if command is not None:
            self._poller.add(command.pidfd, _COMMAND)

    @property
    def over(self) -> bool:
        """Whether the session has ended or is closed."""
        return self.ending or self.closed

    @property
    def own(self) -> bool:
        """Whether this process is the one that made the session, not a child forked from it."""
        return os.getpid() == self._owner

    # ------------------------------------------------------------ sleeping

    def until(self, deadline: float | None) -> bool:
        """Sleep until a ring has something; False when there is no more reason to.

        Args:
            deadline: Monotonic time at which to give up; None for never.
        """
        while not self.ending:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                left = 0.0
            if self._command is not None and self._command.poll() is not None:
                # The command has ended, yet its children may still run.
                if self._all_gone():
                    return False
                left = _DESCENDANTS_S if left is None else min(left, _DESCENDANTS_S)
            with self._asleep:
                if self.over:  # since the loop's own look
                    break
                ready = self._poller.wait(left)
            if _COMMAND in ready and self._command is not None:
                self._command.poll()
                self._poller.remove(self._command.pidfd)
            if any(token is not _COMMAND for token in ready):
                return True
            if not ready and deadline is None and self._command is None:
                return False  # woken by stop()
            if deadline is not None and time.monotonic() >= deadline:
                return False
        return False

    async def turn(self) -> None:
        """`until` for an asyncio loop: may return though nothing is there."""
        import asyncio  # noqa: PLC0415  (costs 30 ms, for those who use it)

        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        number = self._poller.fileno()
        loop.add_reader(number, _resolve, ready)
        # Closing the poller takes it out of the loop's own, unseen: so `stop` also says it here.
        self._told = partial(loop.call_soon_threadsafe, _resolve, ready)
        try:
            await asyncio.wait([ready], timeout=_DESCENDANTS_S if self._command else None)
        finally:
            self._told = None
            loop.remove_reader(number)

    def idle(self, deadline: float | None) -> None:
        """Sleep until the session has ended; no ring matters."""
        while not self.over:
            left = _WAIT_S if deadline is None else min(_WAIT_S, deadline - time.monotonic())
            if left <= 0:
                return
            if self._command is not None and self._command.poll() is not None and self._all_gone():
                return
            time.sleep(left)

    def _all_gone(self) -> bool:
        """Whether nobody is left whom the session follows, which then ends."""
        if any(part.follows_somebody() for part in self._parts):
            return False
        self.ending = True
        return True

    # ------------------------------------------------------------ ending

    def stop(self) -> None:
        """End whatever sleeps; callable from a signal handler or thread."""
        self.ending = True
        if self.own:  # a forked child would wake its parent
            self._poller.wake()
            told = self._told
            if told is not None:
                told()

    def close(self) -> None:
        """Close what others may be sleeping on, once they have left it."""
        self.closed = True
        self.stop()
        # This thread's own sleep, where a signal handler closes the session, does not count.
        left = self._asleep.acquire(timeout=_LEAVE_S)
        try:
            self._poller.close()
        finally:
            if left:
                self._asleep.release()


def _resolve(future: object) -> None:
    done = getattr(future, "done", None)
    finish = getattr(future, "set_result", None)
    if callable(done) and callable(finish) and not done():
        finish(None)
