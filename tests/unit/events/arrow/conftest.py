"""Two event classes with fields of every kind, and batches of them."""

import struct
from enum import IntEnum
from types import SimpleNamespace
from typing import Annotated

import pytest

from syscast.events.event import Event
from syscast.events.fieldtypes import IP, IPv4, IPv6, Pointer, Port, i8, u16, u32, u64
from syscast.events.records import Decoder
from syscast.events.schema import record_struct
from syscast.spec.meta import ProgramMeta

OFFSET = 1_782_907_200_000_000_000
PROGRAMS = [
    ProgramMeta("a", 0, "opened", "kprobe", "do_open", "entry"),
    ProgramMeta("b", 1, "opened", "kprobe", "do_open", "exit"),
    ProgramMeta("c", 2, "other", "kprobe", "f"),
]


class Family(IntEnum):
    INET = 2
    INET6 = 10


class Every(Event):
    tiny: i8
    flag: bool
    path: Annotated[str, 32]
    mac: Annotated[bytes, 6]
    v4: IPv4
    v6: IPv6
    either: IP
    port: Port
    where: Pointer
    family: Annotated[Family, u16]
    big: u64
    plain: int


class Opened(Event):
    path: Annotated[str, 64]
    big: u32
    pid: u32


CLASSES = {1: Every, 2: Opened}


def made(records, *, classes=None):
    """Decode records, each a class and its raw values, with the header's values first."""
    used = {cls for cls, _, _ in records}
    chosen = classes or {number: cls for number, cls in CLASSES.items() if cls in used}
    schemas = {cls: cls.schema(number) for number, cls in chosen.items()}
    block = b""
    for number, (cls, header, values) in enumerate(records):
        schema = schemas[cls]
        layout = record_struct(schema)
        comm, program = header
        head = (number * 1000, number, 77, 1234, 1235, schema.id, program, 3, comm)
        packed = layout.pack(*head, *values)
        block += struct.pack("<II", layout.size, 0) + packed
    return Decoder(list(schemas.values()), PROGRAMS, chosen, OFFSET).batch(block)


def every(**values):
    """Raw values of an Every, in its order."""
    known = {
        "tiny": -3,
        "flag": True,
        "path": b"/etc/passwd",
        "mac": b"\1\2\3\4\5\0",
        "v4": b"\x7f\0\0\1",
        "v6": bytes(15) + b"\1",
        "either": b"\2\0\0\0" + b"\xc0\0\2\1" + bytes(12),
        "port": 443,
        "where": 0xFFFF_8880_0000_0000,
        "family": 2,
        "big": (1 << 64) - 1,
        "plain": -1,
    }
    return tuple((known | values).values())


@pytest.fixture(scope="session")
def world():
    """The classes, and what makes batches of them."""
    return SimpleNamespace(
        Every=Every,
        Opened=Opened,
        classes=CLASSES,
        programs=PROGRAMS,
        offset=OFFSET,
        made=made,
        every=every,
    )
