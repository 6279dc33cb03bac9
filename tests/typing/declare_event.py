"""What a type checker makes of event classes; checked by mypy and pyright, never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, assert_type

from syscast.events.envelope import Envelope
from syscast.events.event import Event
from syscast.events.fieldtypes import IP, IPv4, IPv6, Pointer, Port, i32, u8, u16, u32, u64


class Family(IntEnum):
    INET = 2


class Listen(Event):
    addr: IPv4
    port: Port
    backlog: u32 = 0


class Everything(Listen):
    pid: u32  # a name of the envelope
    comm: str
    small: u8
    half: u16
    big: u64
    signed: i32
    plain: int
    flag: bool
    path: Annotated[str, 256]
    mac: Annotated[bytes, 6]
    v6: IPv6
    either: IP
    where: Pointer
    family: Family
    narrow: Annotated[Family, u16]


def construct(address: IPv4Address) -> Listen:
    Listen(addr=address)  # type: ignore[call-arg]  # no port
    Listen(addr=address, port="x")  # type: ignore[arg-type]
    Listen(address, 80)  # type: ignore[call-arg]  # keywords only
    Listen(addr=address, port=80, more=1)  # type: ignore[call-arg]
    return Listen(addr=address, port=80)


def look(event: Listen, whole: Everything) -> None:
    assert_type(event.addr, IPv4Address)
    assert_type(event.port, int)
    assert_type(event.time, int)
    assert_type(event.comm, str)
    assert_type(event.envelope, Envelope | None)
    assert_type(whole.pid, int)
    assert_type(whole.path, str)
    assert_type(whole.mac, bytes)
    assert_type(whole.either, IPv4Address | IPv6Address)
    assert_type(whole.family, Family)
    assert_type(whole.narrow, Family)
    event.port = 1  # type: ignore[misc]  # frozen


def cast(number: int) -> None:
    assert_type(u16(number), int)
    Listen(addr=IPv4Address(0), port=u16(number), backlog=number)


def match(event: Event) -> int:
    match event:
        case Listen(port=port, backlog=backlog):
            return port + backlog
        case _:
            return 0
