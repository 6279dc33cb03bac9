import os
import pty
import termios
from typing import Annotated

import pytest

from syscast.events.event import Event
from syscast.events.fieldtypes import IPv4, Pointer, Port, u32
from syscast.events.records import Decoder
from syscast.events.schema import record_struct
from syscast.spec.meta import ProgramMeta

NOON = 1_782_907_200_000_000_000


class Listen(Event):
    addr: IPv4
    port: Port
    backlog: u32


class Opened(Event):
    where: Pointer
    path: Annotated[str, 64]


@pytest.fixture
def listen():
    return Listen


@pytest.fixture
def opened():
    return Opened


@pytest.fixture
def seen():
    """Make an event as a probe does."""

    def make(cls, fields, comm=b"python3", pid=1234):
        schema = cls.schema(1)
        header = (0, 0, 77, pid, pid, 1, 0, 0, comm)
        record = record_struct(schema).pack(*header, *fields)
        programs = [ProgramMeta("p", 0, "inet_listen", "kprobe", "inet_listen")]
        return Decoder([schema], programs, {1: cls}, NOON).events([record])[0]

    return make


class Terminal:
    """A terminal of our own, and what was drawn on it."""

    def __init__(self, width=100):
        self.master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[1] &= ~termios.OPOST  # leave line ends alone
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        termios.tcsetwinsize(self.slave, (24, width))
        self.stream = os.fdopen(self.slave, "w", encoding="utf-8")

    def drawn(self):
        self.stream.write("\0")
        self.stream.flush()
        found = b""
        while not found.endswith(b"\0"):
            found += os.read(self.master, 65536)
        return found[:-1].decode()

    def close(self):
        self.stream.close()
        os.close(self.master)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    made = Terminal(60)
    yield made
    made.close()
