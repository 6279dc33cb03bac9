"""Recordings that somebody made to do harm: their check sums are right.

A few seconds of them here, half a minute in CI. Whatever the bytes, the answer is events or a
`SyscastError`; no other exception, no crash, no hang, and no memory beyond some messages' worth.
"""

import contextlib
import os
import random
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent))
from recordings import Recorded, block

import syscast as sc
from syscast.errors import SyscastError
from syscast.events.frames import MARK
from syscast.session import recording
from syscast.session.recording import Recorder

SECONDS = float(os.environ.get("SYSCAST_FUZZ_SECONDS", "10" if os.environ.get("CI") else "2"))
SEAL = 40
SLOWEST_S = 5.0
NUMBERS = (-1, 0, 1 << 62, -(1 << 63), (1 << 63) - 1, 1 << 31, 1 << 32)


def messages(data):
    """Where each message begins, its metadata end, its body ends."""
    at = 0
    while at + 8 <= len(data):
        mark, size = struct.unpack_from("<II", data, at)
        if mark != 0xFFFFFFFF or size == 0:
            at += 8
            continue
        end = at + 8 + size
        if data[end - SEAL : end - SEAL + 8] != MARK:
            return
        length = struct.unpack_from("<Q", data, end - SEAL + 8)[0]
        yield at, end, end + length
        at = end + length


def sealed(data):
    """Set all check sums right."""
    for at, end, last in messages(data):
        crc = zlib.crc32(data[end:last], zlib.crc32(data[at : end - 4]))
        struct.pack_into("<I", data, end - 4, crc)
    return bytes(data)


def damaged(rand, data):
    """Change bytes and numbers where a reader looks."""
    changed = bytearray(data)
    places = list(messages(data))
    for _ in range(rand.choice((1, 1, 2, 5, 20))):
        at, end, last = rand.choice(places)
        low, high = (at + 8, end - SEAL) if rand.random() < 0.7 else (end, max(last, end + 1))
        place = rand.randrange(low, high)
        if place + 8 > len(changed):
            continue
        action = rand.randrange(3)
        if action == 0:
            changed[place] ^= 1 << rand.randrange(8)
        elif action == 1:
            changed[place] = rand.choice((0, 1, 127, 128, 255))
        else:
            struct.pack_into(
                "<q", changed, place, rand.choice((*NUMBERS, rand.randrange(1 << 20)))
            )
    return sealed(changed)


def use(path):
    """Read all of it, in two ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with sc.replay(path) as again:
            for event in again.stream():
                assert event.to_json()
                assert str(event)
            str(again.stats())
        with sc.replay(path) as again:
            for batch in again.batches():
                assert batch.arrays is not None


def test_messages_with_right_check_sums_and_wrong_contents(tmp_path):
    rand = random.Random(SECONDS)
    path = tmp_path / "file.arrows"
    session = Recorded([block(rand, 6), block(rand, 6, start=6)])
    with Recorder(session, path) as recorder:
        for batch in session.batches():
            recorder.write(batch)
            recorder.flush()
    data = path.read_bytes()
    assert sealed(bytearray(data)) == data
    refused = tried = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        path.write_bytes(damaged(rand, data))
        start = time.monotonic()
        tried += 1
        try:
            use(path)
        except SyscastError:
            refused += 1
        assert time.monotonic() - start < SLOWEST_S
    assert 0 < refused < tried


NAMES = (
    "",
    "mro",
    "__init__",
    "a\0b",
    "class",
    "time",
    "_raw",
    "__class__",
    "__slots__",
    "__dict__",
    "_readers",
    "x" * 100_000,
    "\u202e",
    "__init_subclass__",
    "envelope_time",
    "__match_args__",
    "_generate_next_value_",
    "_value_",
)


@pytest.mark.parametrize("where", ["schema", "field", "label", "probe", "class"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_names_that_nothing_should_have(tmp_path, monkeypatch, name, where):
    made = recording._header

    def header(session):
        found, bases = made(session)
        recorded = found.recorded
        schema = recorded.schemas[0]
        fields = list(schema.fields)
        number = next(at for at, each in enumerate(fields) if each.kind == "enum")
        if where == "schema":
            schema = replace(schema, name=name)
        elif where == "field":
            fields[0] = replace(fields[0], name=name)
        elif where == "label":
            fields[number] = replace(fields[number], labels={1: name, 2: "green"})
        programs = recorded.programs
        if where == "probe":
            programs = (replace(programs[0], probe=name), *programs[1:])
        recorded = replace(
            recorded,
            schemas=(replace(schema, fields=tuple(fields)), *recorded.schemas[1:]),
            programs=programs,
            classes=recorded.classes if where == "class" else {},
        )
        return replace(found, recorded=recorded), bases

    monkeypatch.setattr(recording, "_header", header)
    if where == "class":
        for module in ("syscast.session.recording", "syscast.events.batch"):
            monkeypatch.setattr(f"{module}.declared_as", lambda _: name)
    path = tmp_path / "file.arrows"
    data = [block(random.Random(3), 6)] if where in {"probe", "class"} else []
    with Recorder(Recorded(data), path) as recorder:
        recorder.run()
    with contextlib.suppress(sc.FormatError):
        use(path)
