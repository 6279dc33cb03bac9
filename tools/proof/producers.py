"""Processes that make events on demand: by calling getppid(2), or by running a program again and again."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from typing import Protocol

from syscast.kernel.bpfinfo import by_id
from syscast.kernel.bpfprogs import prog_test_run

_PACKET = bytes(64)
_CALLS = 1000


class Producers(Protocol):
    """A process tree that issues events.

    Attributes:
        pid: Of its first process.
    """

    pid: int

    def start(self, count: int) -> None:
        """Issue so many events in all, spread over the CPUs."""

    def finish(self) -> None:
        """Wait until they are issued."""


class _Forked(ABC):
    """A child that waits for a number, forks a worker for each CPU, and ends with them."""

    def __init__(self, cpus: list[int]) -> None:
        self._cpus = cpus
        self._read, write = os.pipe()
        read, self._write = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(write)
            os.close(read)
            return
        try:
            os.close(self._read)
            os.close(self._write)
            self._serve(read, write)
        finally:
            os._exit(0)

    def _serve(self, read: int, write: int) -> None:
        while number := os.read(read, 8):
            count = int.from_bytes(number, "little")
            workers = []
            for index, cpu in enumerate(self._cpus):
                share = count // len(self._cpus) + (index < count % len(self._cpus))
                worker = os.fork()
                if not worker:
                    try:
                        os.sched_setaffinity(0, {cpu})
                        self._work(share)
                    finally:
                        os._exit(0)
                workers.append(worker)
            for worker in workers:
                os.waitpid(worker, 0)
            os.write(write, b"!")

    @abstractmethod
    def _work(self, count: int) -> None:
        """Issue so many events, in a worker."""

    def start(self, count: int) -> None:
        """Issue so many events in all, spread over the CPUs."""
        os.write(self._write, count.to_bytes(8, "little"))

    def finish(self) -> None:
        """Wait until they are issued."""
        if not os.read(self._read, 1):
            sys.exit("a producer has ended by itself")

    def close(self) -> None:
        """End them."""
        os.close(self._write)
        os.waitpid(self.pid, 0)
        os.close(self._read)


class Callers(_Forked):
    """getppid(2), as fast as it goes or with pauses.

    Args:
        cpus: One worker for each; a CPU may stand there twice.
        rate: Calls a second of each worker; 0 for as fast as it goes.
    """

    def __init__(self, cpus: list[int], rate: int = 0) -> None:
        self._rate = rate
        super().__init__(cpus)

    def _work(self, count: int) -> None:
        call = os.getppid
        begin = time.monotonic()
        done = 0
        while done < count:
            for _ in range(min(_CALLS, count - done)):
                call()
            done += min(_CALLS, count - done)
            if self._rate:
                time.sleep(max(0.0, begin + done / self._rate - time.monotonic()))


class Repeaters(_Forked):
    """BPF_PROG_TEST_RUN of a loaded program.

    Args:
        cpus: One worker for each.
        program: Its id.
    """

    def __init__(self, cpus: list[int], program: int) -> None:
        self._program = program
        super().__init__(cpus)

    def _work(self, count: int) -> None:
        with by_id("program", self._program) as program:
            prog_test_run(program, data_in=_PACKET, repeat=count)
