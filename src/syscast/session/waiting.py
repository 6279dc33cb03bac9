"""Where a session sleeps: until a ring is worth a look, its command has ended, or `stop` was called."""

from __future__ import annotations

import os
import time
from _thread import RLock  # threading costs a start 2 ms
from functools import partial
from typing import TYPE_CHECKING

from syscast.errors import UsageError
from syscast.kernel.polling import Poller
from syscast.session.every import Schedule
from syscast.session.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.events.deliverystats import DeliveryStats
    from syscast.session.control import Control
    from syscast.session.delivery import Delivery
    from syscast.session.part import Part
    from syscast.session.wallclock import SessionClock
    from syscast.session.watched import Leader

_COMMAND = "command"
_CLOCK = "clock"
_LEAVE_S = 2.0
"""How long `close` waits for other threads to leave the poller after they were woken."""
_DESCENDANTS_S = 0.05
"""How often descendants that outlive the command are looked for."""
_WAIT_S = 0.02
"""How often `idle` looks whether the session has ended."""
_MILLISECOND_S = 0.001
_ROUNDED_S = 1e-6
"""Less than a whole number of milliseconds, so that it is not rounded up to the next."""
_SETTLED_S = 0.001
"""Longer than any store of a CPU takes to be seen by the others."""


class Waiting:
    """One session's poller, its pace, and whether the session has ended.

    While the reader is told, it sleeps until a ring wakes it. While it asks, rings cannot wake it: it sleeps
    until the next look is due, and promises running programs (``awake_until``) that it will look,
    so that the kernel need not even try. Any thread and any signal handler may call `stop`; one
    thread at a time sleeps.

    Attributes:
        ending: `stop` was called, or the command and its descendants are gone.
        closed: The session is closed.
        schedule: Functions to call meanwhile.
        inside: Held by the thread that looks at the rings or sleeps; `close` waits for it.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        command: Leader | None,
        delivery: Delivery,
        clock: SessionClock,
    ) -> None:
        self._parts = [part for part in parts if part.reader is not None]
        self._followed = parts
        self._command = command
        self._delivery = delivery
        self._owner = os.getpid()
        self._poller = Poller()
        self.ending: bool = False
        self.closed: bool = False
        self.schedule: Schedule = Schedule()
        self.inside: RLock = RLock()
        self._told: Callable[[], object] | None = None
        self._began = now = time.monotonic()
        self._pace = Pace(delivery.mode, delivery.latency_ns / 1e9, self._rooms(), now)
        self._deaf = False
        self._promise = Promise(delivery, self._parts)
        self._unsure = now
        self._more = False
        self._taken = [0] * len(self._parts)
        self._seen = 0
        self._wakeups = 0
        self._rounds = 0
        for part in self._parts:
            if part.reader is not None:
                self._poller.add(part.reader.fd, part)
        if command is not None:
            self._poller.add(command.pidfd, _COMMAND)
        self._clock = clock
        if clock.fd is not None:
            self._poller.add(clock.fd, _CLOCK)
        if self._pace.asking:
            self._stop_ears()

    @property
    def over(self) -> bool:
        """Whether the session has ended or is closed."""
        return self.ending or self.closed

    @property
    def own(self) -> bool:
        """Whether this process is the one that made the session, not a child forked from it."""
        return os.getpid() == self._owner

    def is_closed(self) -> bool:
        """``closed``, asked again where another thread may have changed it."""
        return self.closed

    def check_own(self, act: str = "read") -> None:
        """Refuse to read in a forked child: what it shares with its parent is the parent's.

        Args:
            act: What is refused.

        Raises:
            UsageError: This is another process.
        """
        if not self.own:
            raise UsageError(
                f"session: {act}: it belongs to process {self._owner}, from which this one was forked "
                "(attach in the process that reads)"
            )

    # ------------------------------------------------------------ looks

    def before(self, deadline: float | None) -> None:
        """To be called before each look at the rings: waits until it is due, if the reader asks.

        Raises:
            Exception: As the functions that are called at intervals.
        """
        self._call_due()
        if not self._pace.asking:
            return
        now = time.monotonic()
        if now < self._pace.due - _MILLISECOND_S and (deadline is None or now < deadline):
            self.until(deadline)
            now = time.monotonic()
        self._more = False
        self._pace.looking(now)

    def after(self, most: int) -> None:
        """To be called after each look, or each part of one: how the next records are to come.

        Args:
            most: Bytes that the look would have taken from a ring at most.
        """
        totals = [part.taken for part in self._parts]
        taken = [total - before for total, before in zip(totals, self._taken, strict=True)]
        self._taken = totals
        seen = sum(part.decoder.seen for part in self._parts)
        records, self._seen = seen - self._seen, seen
        pace = self._pace
        if not (pace.asking or records):
            return
        self._more = self._more or max(taken, default=0) >= most // 2
        now = time.monotonic()
        pace.looked(now, taken, records, emptied=not self._more)
        if not pace.asking:
            self._more = False
            return
        if pace.quiet and self._left() == 0:
            self._hear(now)
            return
        if not self._deaf:
            self._stop_ears()
            pace.rooms = self._rooms()  # rings of CPUs may be new
        with self.inside:
            if not self.closed:
                self._promise.give(pace.interval)

    def _rooms(self) -> list[int]:
        return [part.room for part in self._parts]

    def _left(self) -> int:
        """Bytes that are in the rings, reserved ones included."""
        with self.inside:
            readers = [part.reader for part in self._parts] if not self.closed else []
            return sum(each.available() for each in readers if each is not None)

    def _stop_ears(self) -> None:
        """Ask from now on."""
        with self.inside:
            if self.closed:
                return
            for part in self._parts:
                if part.reader is not None:
                    self._poller.mute(part.reader.fd)
        self._deaf = True

    def _hear(self, now: float) -> None:
        """Be told from now on.

        A program may have read the promise just before it was taken back, and its record may not be
        seen yet: the CPU's stores become visible later than its loads are made. So the caller
        looks again, and sleeps no longer than the latency until that is long over.
        """
        with self.inside:
            if self.closed:
                return
            self._promise.take_back()
            for part in self._parts:
                if part.reader is not None:
                    self._poller.unmute(part.reader.fd)  # a full barrier, too
        self._deaf = False
        self._pace.be_told(now)
        self._unsure = now + max(self._delivery.latency_ns / 1e9, _SETTLED_S)

    # ------------------------------------------------------------ sleeping

    def until(self, deadline: float | None) -> bool:
        """Sleep until the rings are worth a look; False when there is no more reason to.

        Args:
            deadline: Monotonic time at which to give up; None for never.

        Raises:
            Exception: As the functions that are called at intervals.
        """
        while not self.over:
            self._call_due()
            if self._command is not None and self._command.poll() is not None and self._all_gone():
                return False
            now = time.monotonic()
            look = self._next_look(now)
            ready = self._sleep(now, look, deadline)
            if ready:
                self._wakeups += 1
                return True
            now = time.monotonic()
            if look is not None and now >= look - _MILLISECOND_S and not self.over:
                self._rounds += self._pace.asking
                return True
            if deadline is not None and now >= deadline:
                return False
        return False

    def _next_look(self, now: float) -> float | None:
        """When to look though no ring says so."""
        if self._pace.asking:
            return self._pace.due
        return self._unsure if now < self._unsure else None

    def _sleep(self, now: float, look: float | None, deadline: float | None) -> bool:
        """Sleep until something is due at the latest; whether a ring woke."""
        due = [each for each in (look, deadline, self.schedule.due()) if each is not None]
        if self._command is not None and self._command.poll() is not None:
            due.append(now + _DESCENDANTS_S)
        left = max(0.0, min(due) - now) if due else None
        if left is not None and self._pace.asking:
            if 0 < left < _MILLISECOND_S:
                time.sleep(left)  # epoll_wait(2) counts milliseconds
                return False
            left = max(0.0, left // _MILLISECOND_S * _MILLISECOND_S - _ROUNDED_S)
        with self.inside:
            if self.over:  # since the loop's own look
                return False
            ready = self._poller.wait(left)
        if _COMMAND in ready and self._command is not None:
            self._command.poll()
            self._poller.remove(self._command.pidfd)
        self._clock.woke(ready=_CLOCK in ready)
        return any(token is not _COMMAND and token is not _CLOCK for token in ready)

    async def turn(self, deadline: float | None = None) -> None:
        """`until` for an asyncio loop: may return though nothing is there."""
        import asyncio  # noqa: PLC0415  (costs 30 ms, for those who use it)

        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        with self.inside:
            if self.closed:
                return
            number = self._poller.fileno()
            loop.add_reader(number, _resolve, ready)
        # Closing the poller takes it out of the loop's own, unseen: so `stop` also says it here.
        self._told = partial(loop.call_soon_threadsafe, _resolve, ready)
        now = time.monotonic()
        look = self._next_look(now)
        due = [each for each in (look, deadline, self.schedule.due()) if each is not None]
        if self._command is not None and self._command.poll() is not None:
            due.append(now + _DESCENDANTS_S)
        try:
            # The loop's own clock counts milliseconds, upwards.
            left = max(0.0, min(due) - now - _MILLISECOND_S) if due else None
            if not self._pace.asking and self._left():
                # A perf event says once that it has something (perf_poll() in kernel/events/core.c), and
                # said so just now to the loop that began to watch it, which will ask again.
                left = 0.0
            await asyncio.wait([ready], timeout=left)
        finally:
            self._told = None
            loop.remove_reader(number)
        if ready.done() and not self.over:
            self._clock.woke()
        if self._pace.asking:
            self._rounds += 1
        elif ready.done() and not self.over:
            self._wakeups += 1

    def idle(self, deadline: float | None) -> bool:
        """Sleep until the session has ended or a function was called; no ring matters.

        Returns:
            Whether a function was called.

        Raises:
            UsageError: This is a forked child.
        """
        self.check_own("wait")
        while not self.over:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            if self._call_due():
                return True
            due = [each for each in (deadline, self.schedule.due()) if each is not None]
            now = time.monotonic()
            left = min([_WAIT_S, *(each - now for each in due)])
            if self._command is not None and self._command.poll() is not None and self._all_gone():
                return False
            time.sleep(max(left, 0.0))
        return False

    def _call_due(self) -> bool:
        """Call what is due; what it raises ends the session."""
        try:
            return self.schedule.run()
        except BaseException:
            self.stop()
            raise

    def _all_gone(self) -> bool:
        """Whether nobody is left whom the session follows, which then ends."""
        if any(part.follows_somebody() for part in self._followed):
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
        # This thread's own sleep, where a signal handler closes the session, does not count. In a
        # forked child the lock may be held by a thread that is not there.
        left = self.own and self.inside.acquire(timeout=_LEAVE_S)
        try:
            self._poller.close()
        finally:
            if left:
                self.inside.release()

    def stats(self) -> DeliveryStats:
        """How records came so far."""
        from syscast.events.deliverystats import DeliveryStats  # noqa: PLC0415  (not needed to start)

        now = time.monotonic()
        asking = self._pace.asking
        return DeliveryStats(
            mode=self._delivery.mode,
            now="poll" if asking else "push",
            latency=self._delivery.latency_ns / 1e9,
            interval=self._pace.interval if asking else 0.0,
            seconds=now - self._began,
            polled=self._pace.asked(now),
            wakeups=self._wakeups,
            rounds=self._rounds,
            changes=self._pace.changes,
            records=sum(part.decoder.seen for part in self._parts),
        )


class Promise:
    """``awake_until`` in the map ``control`` of every object: the reader will look by itself."""

    def __init__(self, delivery: Delivery, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._longer = delivery.latency_ns
        self._controls: list[Control] | None = None
        self._clock = time.CLOCK_BOOTTIME

    def give(self, interval: float) -> None:
        """Promise to look after this many seconds.

        The promise is longer than that: a reader that comes late is as good as awake. What is
        left unread when it ends wakes nobody, so the reader takes it back and looks before it relies on being woken.
        """
        if self._controls is None:
            self._controls = self._open()
        if self._controls:
            until = time.clock_gettime_ns(self._clock) + round(interval * 1e9) + self._longer
            for each in self._controls:
                each.set("awake_until", until)

    def take_back(self) -> None:
        """Ask to be woken again."""
        for each in self._controls or ():
            each.set("awake_until", 0)

    def _open(self) -> list[Control]:
        """What is to be written, at the first promise."""
        found = [part.control for part in self._parts if part.control is not None]
        shared = [each for each in found if each.shared]
        if shared:
            from syscast.features.recordclock import record_clock  # noqa: PLC0415  (one question)

            self._clock = record_clock()
        return shared


def _resolve(future: object) -> None:
    done = getattr(future, "done", None)
    finish = getattr(future, "set_result", None)
    if callable(done) and callable(finish) and not done():
        finish(None)
