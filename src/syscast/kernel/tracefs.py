"""tracefs: where tracepoints have their numbers, and what their records look like.

It is mounted at /sys/kernel/tracing, or, by older set-ups, under debugfs; nothing here ever
mounts it. Raw and BTF-typed tracepoints do without it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import FormatError, NotSupportedError, PermissionDeniedError, TargetError
from syscast.kernel.host import mounts
from syscast.kernel.textfiles import read_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_USUAL = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_MOUNT = "mount -t tracefs tracefs /sys/kernel/tracing"

_FIELD = re.compile(
    r"\tfield:(?P<declaration>[^;]*);"
    r"\toffset:(?P<offset>\d+);"
    r"\tsize:(?P<size>\d+);"
    r"(?:\tsigned:(?P<signed>\d+);)?"
)
_DECLARATION = re.compile(
    r"(?:__(?P<loc>data_loc|rel_loc) )?(?P<type>.*?)\s*(?P<name>[A-Za-z_]\w*)(?P<array>\[.*\])?$"
)


class TraceField(NamedTuple):
    """One field of a tracepoint's record.

    Attributes:
        name: As in the format file.
        c_type: C type of the field, or of one element of an array.
        offset: Bytes from the start of the record (and of the program's context).
        size: Bytes; 4 for a located one.
        signed: Whether an integer is.
        array: Elements; 0 where the file does not say a number; None for no array.
        loc: ``data_loc`` or ``rel_loc`` where the field is a u32 that holds offset (low 16 bits;
            from the record's start, or from behind the field) and length (high 16 bits) of the
            bytes; else empty.
    """

    name: str
    c_type: str
    offset: int
    size: int
    signed: bool
    array: int | None
    loc: str


class TraceFormat(NamedTuple):
    """What tracefs tells about one tracepoint.

    Attributes:
        name: Without its category.
        id: For perf_event_open(2).
        common: The fields that every record starts with.
        fields: Its own.
    """

    name: str
    id: int
    common: tuple[TraceField, ...]
    fields: tuple[TraceField, ...]


def parse_format(text: str) -> TraceFormat:
    """Parse a ``format`` file; raises FormatError."""
    name = re.search(r"^name: (\S+)$", text, re.MULTILINE)
    number = re.search(r"^ID: (\d+)$", text, re.MULTILINE)
    if name is None or number is None:
        raise FormatError("tracepoint format: parse: no name or ID")
    groups: tuple[list[TraceField], list[TraceField]] = ([], [])
    for found in _FIELD.finditer(text):
        field = _field(found, name[1])
        groups[not field.name.startswith("common_")].append(field)
    return TraceFormat(name[1], int(number[1]), tuple(groups[0]), tuple(groups[1]))


def _field(found: re.Match[str], event: str) -> TraceField:
    declaration = found["declaration"].strip()
    parts = _DECLARATION.match(declaration)
    if parts is None:
        raise FormatError(f"tracepoint format '{event}': parse: bad field '{declaration}'")
    c_type, array = parts["type"], parts["array"]
    if c_type.endswith("]"):
        # A located array has its brackets at the type: "char[] name".
        c_type, _, inner = c_type.partition("[")
        array = f"[{inner}"
    length = None
    if array is not None:
        inner = array.strip("[]")
        length = int(inner) if inner.isdigit() else 0
    return TraceField(
        name=parts["name"],
        c_type=c_type.strip(),
        offset=int(found["offset"]),
        size=int(found["size"]),
        signed=found["signed"] == "1",
        array=length,
        loc=parts["loc"] or "",
    )


def find_root() -> str | None:
    """Where tracefs is mounted, whether or not it may be read; None if it is not."""
    for path in _USUAL:
        if os.access(f"{path}/events", os.F_OK):
            return path
    return next(mounts("tracefs"), None)


def state() -> str:
    """In words, for a report: where it is mounted and whether it can be read."""
    path = find_root()
    if path is None:
        return "not mounted"
    readable = os.access(f"{path}/events", os.R_OK | os.X_OK)
    return f"mounted at {path}" + ("" if readable else ", not readable for this user")


def root() -> str:
    """The mount point.

    Raises:
        NotSupportedError: Not mounted.
        PermissionDeniedError: Not readable for this user.
    """
    path = find_root()
    if path is None:
        raise NotSupportedError(f"tracefs: find: it is not mounted ({_MOUNT})")
    if not os.access(f"{path}/events", os.R_OK | os.X_OK):
        raise PermissionDeniedError(
            f"tracefs '{path}': read: permission denied (run as root, or remount it with "
            f"gid= and mode=750)"
        )
    return path


def event_format(category: str, name: str) -> TraceFormat:
    """Number and fields of a tracepoint.

    Raises:
        TargetError: There is no such tracepoint; with near matches.
        NotSupportedError: tracefs is not mounted.
        PermissionDeniedError: It cannot be read.
    """
    top = root()
    try:
        text = read_bytes(f"{top}/events/{category}/{name}/format").decode("utf-8", "replace")
    except PermissionError:
        raise PermissionDeniedError(
            f"tracepoint '{category}:{name}': read its format: permission denied (run as root)"
        ) from None
    except OSError:
        raise TargetError(
            f"tracepoint '{category}:{name}': find: no such tracepoint", _near(category, name)
        ) from None
    return parse_format(text)


def event_id(category: str, name: str) -> int:
    """The number for perf_event_open(2); raises as ``event_format``."""
    return event_format(category, name).id


def events() -> Iterator[tuple[str, str]]:
    """All tracepoints as category and name; raises as ``root``."""
    text = read_text(f"{root()}/available_events") or ""
    for line in text.splitlines():
        category, _, name = line.partition(":")
        if name:
            yield category, name


def syscalls() -> list[str]:
    """Names of the system calls that have tracepoints, sorted; raises as ``root``."""
    start = "sys_enter_"
    names = (name for category, name in events() if category == "syscalls")
    return sorted(name.removeprefix(start) for name in names if name.startswith(start))


def _near(category: str, name: str) -> list[str]:
    import difflib  # noqa: PLC0415  # only when a name is wrong

    every = [f"{first}:{second}" for first, second in events()]
    return difflib.get_close_matches(f"{category}:{name}", every, n=3)
