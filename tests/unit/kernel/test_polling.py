from __future__ import annotations

import os
import signal
import threading
import time

from syscast.kernel.descriptors import Fd
from syscast.kernel.polling import Poller, readable


def test_tokens_of_ready_descriptors() -> None:
    reading, writing = Fd.pipe()
    with reading, writing, Poller() as poller:
        poller.add(reading, "pipe")
        assert poller.wait(0) == []
        os.write(writing.fileno(), b"x")
        assert poller.wait(10) == ["pipe"]
        assert readable(reading, 0)
        assert readable(poller, 0)
        poller.remove(reading)
        assert poller.wait(0) == []


def test_wake_ends_a_wait_from_another_thread_and_is_consumed() -> None:
    with Poller() as poller:
        thread = threading.Timer(0.05, poller.wake)
        thread.start()
        start = time.monotonic()
        assert poller.wait(30) == []
        assert time.monotonic() - start < 10
        thread.join()
        start = time.monotonic()
        assert poller.wait(0.05) == []
        assert time.monotonic() - start >= 0.045


def test_a_signal_handler_can_end_a_wait() -> None:
    with Poller() as poller:
        before = signal.signal(signal.SIGALRM, lambda *_: poller.wake())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            start = time.monotonic()
            assert poller.wait(30) == []
            assert time.monotonic() - start < 10
        finally:
            signal.signal(signal.SIGALRM, before)
    poller.wake()  # after close: nothing happens


def test_no_descriptor_takes_a_standard_streams_number() -> None:
    kept = os.dup(0)
    try:
        os.close(0)
        with Poller() as poller:
            assert poller.fileno() > 2
    finally:
        os.dup2(kept, 0)
        os.close(kept)
