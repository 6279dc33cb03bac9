"""USDT probes: places in programs and libraries that their authors marked with <sys/sdt.h>.

A mark is one instruction that does nothing, and a note ``.note.stapsdt`` that says where it is, what it is called and
where its arguments are. A probe may have a semaphore, a counter in the program's data; while it is zero, the program
may leave out what only the probe needs. Compilers copy code, so that a probe may have several places.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from syscast.errors import TargetError
from syscast.symbols import binary, processmaps, sdtoperands
from syscast.symbols.sdtoperands import HERE, MEMORY, UNKNOWN, Operand

_HEAD = struct.Struct("<QQQ")


class Location(NamedTuple):
    """One place of a probe.

    Attributes:
        address: As the file's own tables have it.
        offset: Byte in the file.
        semaphore: Byte in the file of the counter, 0 where there is none.
        arguments: Where they are.
        semaphore_address: Address of the counter, as the file's own tables have it; 0 where there is none.
    """

    address: int
    offset: int
    semaphore: int
    arguments: tuple[Operand, ...]
    semaphore_address: int = 0


class Probe(NamedTuple):
    """One probe of a file.

    Attributes:
        path: The file, as this process opens it.
        provider: Who marked it: ``python``, ``libc``.
        name: Of the probe.
        locations: Its places, by address.
    """

    path: str
    provider: str
    name: str
    locations: tuple[Location, ...]


def probes(path: str) -> list[Probe]:
    """The probes of a program or library, by provider and name.

    Raises:
        TargetError: The file cannot be read, or is no ELF file.
    """
    code = binary.read(path)
    found: dict[tuple[str, str], list[Location]] = {}
    for note in code.marks:
        read = _note(note, code)
        if read is not None:
            provider, name, location = read
            found.setdefault((provider, name), []).append(location)
    return [
        Probe(path, *key, tuple(sorted(set(places), key=lambda each: each.address)))
        for key, places in sorted(found.items())
    ]


def of_process(pid: int) -> list[Probe]:
    """The probes of all files whose code a process has mapped.

    Raises:
        TargetError: There is no such process.
    """
    try:
        regions = processmaps.regions(pid)
    except OSError:
        raise TargetError(f"process '{pid}': look up: it is not there any more") from None
    root = processmaps.root_of(pid)
    made: list[Probe] = []
    seen = set()
    for region in regions:
        key = (region.device, region.inode)
        if not region.executable or not region.inode or key in seen:
            continue
        seen.add(key)
        try:
            made += probes(processmaps.path_of(pid, region, root))
        except TargetError:
            continue  # a file of another sort, or one that may not be read
    return made


def _note(data: bytes, code: binary.Binary) -> tuple[str, str, Location] | None:
    """Provider, name and place of one note; None where it is damaged."""
    if len(data) < _HEAD.size:
        return None
    address, base, semaphore = _HEAD.unpack_from(data)
    texts = data[_HEAD.size :].split(b"\0")
    if len(texts) < 3:
        return None
    if base and code.marks_base:  # prelink(8) moves code and leaves notes as they are
        address += code.marks_base - base
        semaphore += code.marks_base - base if semaphore else 0
    offset = code.file_offset(address)
    if offset is None:
        return None
    provider, name, operands = (each.decode("utf-8", "backslashreplace") for each in texts[:3])
    found = sdtoperands.arguments(operands, code.machine)
    return (
        provider,
        name,
        Location(
            address,
            offset,
            (code.file_offset(semaphore) or 0) if semaphore else 0,
            tuple(_placed(each, address, code) for each in found),
            semaphore,
        ),
    )


def _placed(operand: Operand, address: int, code: binary.Binary) -> Operand:
    """With a symbol's address in place of its name: as a distance from the probe."""
    if operand.kind != MEMORY or operand.register != HERE:
        return operand
    value = code.value(operand.symbol)
    if value is None:
        return operand._replace(kind=UNKNOWN)
    return operand._replace(number=operand.number + value - address)
