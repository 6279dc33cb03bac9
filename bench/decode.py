"""How fast records become events, tuples and arrays: no kernel, no root needed.

Run it with ``python bench/decode.py [RECORDS]``; it prints a line per form with millions of
records a second and ns a record, the best of several rounds. The libraries that are installed
take Arrow columns, too.
"""

# ruff: noqa: INP001, T201 - a script that prints

from __future__ import annotations

import struct
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

from syscast.events.event import Event, plain
from syscast.events.fieldtypes import IPv4, Port, u32, u64
from syscast.events.records import Decoder
from syscast.events.schema import record_struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.spec.meta import SchemaMeta

ROUNDS = 7


class Listen(Event):
    """A small event: no text."""

    addr: IPv4
    port: Port
    backlog: u32
    netns: u64


class Opened(Event):
    """An event with a path."""

    path: Annotated[str, 64]
    flags: u32


def make_block(schemas: list[SchemaMeta], count: int) -> bytes:
    """Make ring records, the schemas in turn."""
    parts = []
    for number in range(count):
        schema = schemas[number % len(schemas)]
        layout = record_struct(schema)
        fields: tuple[object, ...] = (b"\x7f\0\0\1", 8080, 128, 4026531840)
        if schema.name == "Opened":
            fields = (b"/etc/passwd", 2)
        parts.append(struct.pack("<II", layout.size, 0))
        header = (number * 1000, number, 77, 1234, 1235, schema.id, 0, 0, b"python3")
        parts.append(layout.pack(*header, *fields))
    return b"".join(parts)


def rate(count: int, work: Callable[[], object]) -> float:
    """Give the best rate in millions a second."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return count / best / 1e6


def run(count: int) -> None:
    """Measure all forms and print them."""
    classes: dict[int, type[Event]] = {1: Listen, 2: Opened}
    schemas = [cls.schema(number) for number, cls in classes.items()]
    for title, chosen in (
        ("uniform", schemas[:1]),
        ("uniform, with a path", schemas[1:]),
        ("mixed", schemas),
    ):
        block = make_block(chosen, count)
        view = memoryview(block)
        starts = []
        at = 0
        while at < len(block):
            size = int.from_bytes(block[at : at + 4], "little")
            starts.append(view[at + 8 : at + 8 + size])
            at += 8 + size

        for name, work in forms(chosen, classes, block, starts).items():
            found = rate(count, work)
            print(f"{title:22} {name:32} {found:8.2f} M/s {1e3 / found:8.0f} ns")


def forms(
    schemas: list[SchemaMeta],
    classes: dict[int, type[Event]],
    block: bytes,
    records: list[memoryview],
) -> dict[str, Callable[[], object]]:
    """Give each way to decode, ready to run."""

    def fresh() -> Decoder:
        return Decoder(schemas, (), classes)

    events = fresh().block_events(block)
    batch = fresh().batch(block)
    others: dict[str, Callable[[], object]] = {
        f"block -> batch -> {name}": getattr(batch, f"to_{call}")
        for name, call in (("pyarrow", "arrow"), ("polars", "polars"), ("pandas", "pandas"))
        if find_spec(name) is not None
    }
    return others | {
        "single records -> events": lambda: fresh().events(records),
        "single records -> tuples": lambda: fresh().tuples(records),
        "block -> events": lambda: fresh().block_events(block),
        "block -> tuples": lambda: fresh().block_tuples(block),
        "block -> batch": lambda: fresh().batch(block),
        "block -> batch -> arrays": lambda: fresh().batch(block).arrays,
        "block -> batch -> Arrow": lambda: fresh().batch(block).arrow(),
        "block -> batch -> Arrow, raw": lambda: fresh().batch(block).arrow(raw=True),
        "block -> batch -> events": lambda: fresh().batch(block).events(),
        "events -> hash of all fields": lambda: [hash(event) for event in events],
        "events -> dicts for JSON": lambda: [plain(event) for event in events],
        "events -> str": lambda: [str(event) for event in events],
    }


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
