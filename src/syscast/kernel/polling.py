"""Waiting on rings and processes, woken from a signal handler or another thread."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING, Self

from syscast.kernel.descriptors import Fd, lifted

if TYPE_CHECKING:
    from types import TracebackType


class Poller:
    """epoll(7) over descriptors that stay owned by others, plus an eventfd to wake it.

    ``fileno`` is readable when ``wait`` would return something, so that an asyncio loop can
    watch the poller itself. A signal's Python handler runs during ``wait``, which then goes on
    for the rest of its time; the handler calls ``wake`` to end it early.
    """

    def __init__(self) -> None:
        self._wake = Fd(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), "poller's wake-up")
        epoll = select.epoll()
        number = os.dup(epoll.fileno()) if epoll.fileno() < 3 else -1
        if number >= 0:
            epoll.close()
            epoll = select.epoll.fromfd(lifted(number))
        self._epoll = epoll
        self._tokens: dict[int, object] = {}
        epoll.register(self._wake.fileno(), select.EPOLLIN)

    def add(self, fd: Fd, token: object) -> None:
        """Watch a descriptor for input; ``wait`` then names it by the token."""
        number = fd.fileno()
        self._epoll.register(number, select.EPOLLIN)
        self._tokens[number] = token

    def remove(self, fd: Fd) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        number = fd.fileno()
        if self._tokens.pop(number, None) is not None:
            # A pipe whose descriptor was closed behind our back has left epoll already.
            with contextlib.suppress(OSError):
                self._epoll.unregister(number)

    def mute(self, fd: Fd) -> None:
        """Have a watched descriptor's input end no more waits."""
        self._epoll.modify(fd.fileno(), 0)

    def unmute(self, fd: Fd) -> None:
        """Have it end waits again, at once if there is input.

        EPOLL_CTL_MOD asks the descriptor, after a full memory barrier (ep_modify() in fs/eventpoll.c).
        """
        self._epoll.modify(fd.fileno(), select.EPOLLIN)

    def wait(self, timeout: float | None = None) -> list[object]:
        """Wait for input.

        Args:
            timeout: Seconds; None waits for ever, 0 only looks.

        Returns:
            The tokens that are ready; none when the time is over or ``wake`` was called.
        """
        ready = self._epoll.poll(timeout)
        tokens: list[object] = []
        for number, _ in ready:
            if number == self._wake.fileno():
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(number)
            elif number in self._tokens:
                tokens.append(self._tokens[number])
        return tokens

    def wake(self) -> None:
        """End the current or the next ``wait``; callable from signal handlers and threads."""
        if not self._wake.closed:
            os.eventfd_write(self._wake.fileno(), 1)

    def fileno(self) -> int:
        """Readable when ``wait`` would return at once."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Close both; what was watched stays open."""
        self._tokens.clear()
        self._epoll.close()
        self._wake.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def readable(fd: Fd, timeout: float | None = None) -> bool:
    """Whether one descriptor has input (a pidfd: whether the process ended).

    Args:
        fd: The descriptor.
        timeout: Seconds; None waits for ever, 0 only looks.
    """
    one = select.poll()
    one.register(fd.fileno(), select.POLLIN)
    return bool(one.poll(None if timeout is None else timeout * 1000))
