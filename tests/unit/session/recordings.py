"""A session that needs no kernel, with events of every kind, for tests of recordings."""

import struct
from enum import IntEnum
from typing import Annotated

import syscast as sc
from syscast.events.fieldtypes import IP, IPv4, IPv6, Pointer, Port, i8, i64, u16, u32, u64
from syscast.events.foreign import ForeignDecoder
from syscast.events.ledger import Ledger
from syscast.events.ledgerrow import LedgerRow
from syscast.events.recorded import Provenance, Sender
from syscast.events.records import Decoder
from syscast.events.schema import record_struct
from syscast.spec.meta import RECORD_HEADER_SIZE, ProgramMeta

NOON = 1_782_907_200_000_000_000
PROGRAMS = (
    ProgramMeta("a", 0, "opened", "kprobe", "do_open"),
    ProgramMeta("b", 1, "other", "kprobe", "do_other"),
)
COMMS = (b"python3", b"a\xffb", b"x\0y", b"0123456789abcde\0", b"", "né".encode())
PATHS = (b"/etc/passwd", "/tmp/é".encode(), b"\xff" * 64, b"a\0behind", rb"\xff", b"")
ADDRESSES = (b"\2\0\0\0\x7f\0\0\1" + bytes(12), b"\x0a\0\0\0" + bytes(15) + b"\1", bytes(20))


class Color(IntEnum):
    red = 1
    green = 2


class Every(sc.Event):
    addr: IPv4
    port: Port
    tiny: i8
    big: u64
    low: i64
    either: IP
    v6: IPv6
    flag: bool
    color: Annotated[Color, u16]
    where: Pointer


class Opened(sc.Event):
    path: Annotated[str, 64]
    flags: u32
    mac: Annotated[bytes, 6]
    pid: u32


CLASSES = {1: Every, 3: Opened}


def block(random, count, kinds=(1, 3), start=0, programs=2):
    """Ring records with values that are likely, and with ones that are not."""
    parts = []
    for number in range(start, start + count):
        kind = random.choice(kinds)
        schema = CLASSES[kind].schema(kind)
        layout = record_struct(schema)
        header = (
            (number + 1) * 1_000_000,
            number,
            random.randrange(1 << 64),
            random.randrange(1 << 32),
            random.randrange(1 << 32),
            kind,
            random.randrange(programs),
            random.randrange(4),
            random.choice(COMMS),
        )
        if kind == 1:
            values = (
                random.randbytes(4),
                random.randrange(1 << 16),
                random.randrange(-128, 128),
                random.randrange(1 << 64),
                random.randrange(-1 << 63, 1 << 63),
                random.choice((*ADDRESSES, random.randbytes(20))),
                random.randbytes(16),
                random.random() < 0.5,
                random.choice((1, 2, 77)),
                random.randrange(1 << 64),
            )
        else:
            path = random.choice((*PATHS, random.randbytes(64)))
            values = (path, random.randrange(1 << 32), random.randbytes(6), random.randrange(99))
        parts += (struct.pack("<II", layout.size, 0), layout.pack(*header, *values))
    return b"".join(parts)


class Recorded:
    """A session whose rings hold what was put there; the wall clock is slewed all the time."""

    def __init__(self, blocks, classes=None):
        classes = classes or CLASSES
        schemas = [cls.schema(number) for number, cls in classes.items()]
        self.blocks = list(blocks)
        self.decoder = Decoder(schemas, PROGRAMS, classes, NOON)
        self.steps = ()
        self.lost = []
        self.lost_at_last = []
        self.live = []
        self.tuples = []
        self.detached = False
        self.on_last_losses = None

    @property
    def senders(self):
        return [Sender(self.decoder.schemas, PROGRAMS, self.decoder.classes, foreign=False)]

    @property
    def ended(self):
        return not self.blocks

    def batches(self, *, timeout=None):
        del timeout
        while self.blocks:
            data = self.blocks.pop(0)
            self.decoder.set_clock(self.decoder.clock_offset_ns + 17, self.steps)
            batch = self.decoder.batch(data)
            batch.lost = self.lost.pop(0) if self.lost else ()
            self.live += batch.events()
            self.tuples += [event._raw for event in batch.events()]
            yield batch
        if self.on_last_losses is not None:
            self.on_last_losses(self.lost_at_last)
            self.lost_at_last = []

    def missing(self):
        return []

    def detach(self):
        self.detached = True

    def stats(self):
        count = len(self.live)
        row = LedgerRow(probe="opened", ran=count + 3, tried=count, read=count, delivered=count)
        return Ledger(rows=(row,))

    def provenance(self):
        return Provenance(host="here", attached=("kprobe on do_open",), start=NOON)


class RecordedForeign(Recorded):
    """The same of an object that clang made: bare structs, without headers."""

    def __init__(self, blocks):
        super().__init__(blocks)
        self.decoder = ForeignDecoder(Opened.schema(0))

    @property
    def senders(self):
        return [Sender(self.decoder.schemas, PROGRAMS[:1], self.decoder.classes, foreign=True)]


def bare(data):
    """The payloads of a block's records, as a block."""
    parts = []
    at = 0
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        payload = data[at + 8 + RECORD_HEADER_SIZE : at + 8 + size]
        parts += (struct.pack("<II", len(payload), 0), payload, bytes(-len(payload) % 8))
        at += 8 + size + -size % 8
    return b"".join(parts)
