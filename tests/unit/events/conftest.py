import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Annotated

import pytest

from syscast.events.event import Event
from syscast.events.fieldtypes import IP, IPv4, IPv6, Pointer, Port, i8, u16, u32, u64
from syscast.events.schema import record_struct
from syscast.spec.meta import SchemaMeta


class Family(IntEnum):
    INET = 2
    INET6 = 10


class Listen(Event):
    addr: IPv4
    port: Port
    backlog: u32 = 0


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


@pytest.fixture
def listen() -> type[Event]:
    return Listen


@pytest.fixture
def every() -> type[Event]:
    return Every


@pytest.fixture
def family() -> type[IntEnum]:
    return Family


Pack = Callable[..., bytes]


@pytest.fixture
def pack() -> Pack:
    """Make a record as the kernel side does, from the layout alone."""

    def make(layout: SchemaMeta, fields: Sequence[object], **header: object) -> bytes:
        known: dict[str, object] = {
            "time": 1000,
            "seq": 0,
            "cgroup_id": 77,
            "pid": 1234,
            "tid": 1235,
            "schema": layout.id,
            "program": 0,
            "cpu": 0,
            "comm": b"python3",
        }
        return record_struct(layout).pack(*(known | header).values(), *fields)

    return make


@pytest.fixture
def ring() -> Callable[..., bytes]:
    """Put records in a block, as a ring buffer does."""

    def make(records: Sequence[bytes], flags: dict[int, int] | None = None) -> bytes:
        parts = []
        for index, record in enumerate(records):
            head = struct.pack("<II", len(record) | (flags or {}).get(index, 0), 3)
            parts.append(head + record + bytes(-len(record) % 8))
        return b"".join(parts)

    return make
