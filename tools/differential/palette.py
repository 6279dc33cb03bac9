"""The event classes that generated probes send."""

from __future__ import annotations

from typing import Annotated

from syscast.events.event import Event
from syscast.events.fieldtypes import i8, i16, i32, i64, u8, u16, u32, u64


class Wide(Event):
    """The widest fields, which any number fits."""

    x: i64
    y: u64
    z: i64


class Narrow(Event):
    """A field of every width."""

    a: u8
    b: i16
    c: u32
    d: bool
    e: i8


class Mixed(Event):
    """Padding between fields."""

    p: bool
    q: i64
    r: u16
    s: i32


class Lone(Event):
    """One number."""

    v: i64


class Flag(Event):
    """One bit."""

    f: bool


class Text(Event):
    """A string and a number behind it."""

    t: Annotated[str, 16]
    n: i32


CLASSES: dict[str, type[Event]] = {
    each.__name__: each for each in (Wide, Narrow, Mixed, Lone, Flag, Text)
}
"""By name, as the generated text uses them."""

NUMBERS = ("Wide", "Narrow", "Mixed", "Lone", "Flag")
"""Those of numbers and bools only."""
