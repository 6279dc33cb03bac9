"""Signals as a wish to end, at any moment of a command's life.

Python runs handlers between two instructions of the main thread, whatever it is at. Raising an
exception there would be lost in a destructor, and would leave half a session behind elsewhere.
So a handler raises only where what is at work knows how to give up: while targets are looked up, while
probes are compiled, loaded and attached. Elsewhere it remembers the wish and looks again soon.

A second signal ends the process at once, also where the main thread is inside the kernel for long: Python's C handler
writes each signal's number to a pipe, and a thread reads it. What comes right behind the first
one is the same wish: timeout(1) sends its signal to the process and then to its group.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import start_new_thread
from typing import TYPE_CHECKING, Protocol, Self

from syscast.cli.failures import Interrupted
from syscast.kernel.signals import end_by

if TYPE_CHECKING:
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME_WISH_S = 1.0
_SAME_CTRL_C_S = 0.1
"""As above, for the one signal that people send, who may well press twice within a second."""
_AGAIN_S = 0.02
_GIVES_UP = frozenset(
    {
        ("syscast.session.plan", "plan"),
        ("syscast.session.patterns", "expand"),
        ("syscast.session.part", "load"),
        ("syscast.session.part", "attach"),
        ("syscast.session.tally", "add"),
        ("syscast.session.tally", "key_types"),
    }
)
"""Functions, by module and name, that an exception in the middle leaves without anything behind."""


class Stoppable(Protocol):
    """What a signal stops."""

    def stop(self) -> None:
        """End soon; callable from a signal handler."""
        ...


class Stopper:
    """The first signal stops the session, a second one ends the process.

    Before there is a session, a signal raises `Interrupted`.

    Attributes:
        signal: The signal that came, 0 for none.
    """

    def __init__(self) -> None:
        self.signal: int = 0
        self._session: Stoppable | None = None
        self._opening = False
        self._before: dict[int, object] = {}
        self._second: _Second | None = None
        self._hook = sys.unraisablehook

    def begin(self) -> None:
        """From now on a session is being opened."""
        self._opening = True

    def watch(self, session: Stoppable) -> None:
        """From now on a signal stops this session; one that came while it was opened does so at once."""
        self._session = session
        if self.signal:
            session.stop()

    def __enter__(self) -> Self:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if before != signal.SIG_IGN:  # nohup(1) wants SIGHUP ignored
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.signal:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.unraisablehook = self._hook
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal() itself gave
        if self._second is not None:
            self._second.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            return  # `_Second` has seen it, too
        self.signal = number
        self._second = _Second()
        self._hook = sys.unraisablehook
        sys.unraisablehook = _not_lost
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._look_again)
        self._look_again(number, frame)

    def _look_again(self, number: int, frame: FrameType | None) -> None:
        """Stop the session or give up, whichever can be done now."""
        del number
        if self._session is not None:
            self._session.stop()
        elif _may_raise(frame, opening=self._opening):
            raise Interrupted(self.signal)
        else:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


def _may_raise(frame: FrameType | None, *, opening: bool) -> bool:
    """Whether an exception at this place ends what is being done, and harms nothing."""
    found = not opening
    while frame is not None:
        name = frame.f_code.co_name
        if name == "__del__":
            return False
        module: object = frame.f_globals.get("__name__")
        found = found or (module, name) in _GIVES_UP
        frame = frame.f_back
    return found


def _not_lost(lost: sys.UnraisableHookArgs) -> None:
    """Try again where the interpreter could not hand on what the handler raised."""
    if isinstance(lost.exc_value, Interrupted):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    else:
        sys.__unraisablehook__(lost)


class _Second:
    """Waits for a second signal, in a thread of its own, and ends the process by it."""

    def __init__(self) -> None:
        reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(reading, True)
        self._fd_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        start_new_thread(_wait, (reading, time.monotonic()))

    def close(self) -> None:
        """Wait no longer."""
        signal.set_wakeup_fd(self._fd_before)
        os.close(self._writing)


def _wait(reading: int, first: float) -> None:
    while data := os.read(reading, 1):
        number = data[0]
        same = _SAME_CTRL_C_S if number == signal.SIGINT else _SAME_WISH_S
        if number in SIGNALS and time.monotonic() - first >= same:
            end_by(number)
    os.close(reading)
