"""What an object says of the maps that C text declared: names, C types, and what is sent through them.

Python makes ctypes of these descriptions, so they keep the spelling that the C text used.
"""

from __future__ import annotations

import msgspec


class CDesc(msgspec.Struct, frozen=True):
    """A complete C type.

    Attributes:
        kind: ``int``, ``bool``, ``char``, ``enum``, ``pointer``, ``array``, ``struct``, ``union`` or ``void``.
        name: As it is spelled: ``unsigned long long``, ``u64``, ``struct data_t``, ``char *``.
        size: In bytes.
        signed: Of an integer, a char or an enum.
        align: In bytes.
        element: Of an array.
        count: Elements of an array.
        members: Of a struct or union, in order, without padding.
        labels: Of an enum: value to name.
    """

    kind: str
    name: str
    size: int
    signed: bool = False
    align: int = 1
    element: CDesc | None = None
    count: int = 0
    members: tuple[CMember, ...] = ()
    labels: dict[int, str] = {}


class CMember(msgspec.Struct, frozen=True):
    """A member of a struct or union.

    Attributes:
        name: ``""`` for an anonymous struct or union.
        offset: In bytes; of a bit field that of its unit.
        bit_offset: Inside the unit, from the least significant bit.
        bit_size: 0 for an ordinary member.
    """

    name: str
    type: CDesc
    offset: int
    bit_offset: int = 0
    bit_size: int = 0


class TableMeta(msgspec.Struct, frozen=True):
    """One table of C text.

    Attributes:
        name: As the text calls it; the map has the same name.
        type: bcc's word: ``hash``, ``histogram``, ``perf_output``, ``ringbuf`` and so on.
        key: None for types without one.
        event: The struct that was sent through a perf_output or ringbuf.
        path: File in a bpf file system that the map is pinned at, ``""`` without.
        sharing: ``extern``, ``export``, ``shared`` or ``""``.
        inner: Name of the table that is the model of the maps inside.
    """

    name: str
    type: str
    key: CDesc | None = None
    leaf: CDesc | None = None
    max_entries: int = 0
    flags: int = 0
    event: CDesc | None = None
    path: str = ""
    sharing: str = ""
    inner: str = ""
