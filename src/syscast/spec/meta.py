"""What an object made by syscast says of itself, in its section ``.syscast`` (msgpack).

Another loader ignores the section; syscast's needs it to decode events and keep the ledger.
"""

from __future__ import annotations

import msgspec

# A msgspec type is resolved at run time, so this import cannot move under TYPE_CHECKING.
from syscast.spec.tables import TableMeta

VERSION = 1

RECORD_HEADER = "<QQQIIHHI16s"
"""struct format of the header before each payload, little endian, 56 bytes:

u64 time (boot clock, ns), u64 sequence number, u64 cgroup id, u32 pid (thread group id),
u32 tid, u16 schema id, u16 program id, u32 cpu, char comm[16].
"""
RECORD_HEADER_SIZE = 56

LEDGER = (
    *("ran", "filtered", "raised", "tried", "dropped", "discarded", "unreturned"),
    *("limited", "sampled", "aggregated"),
)
"""u64 counters of one row of the per-CPU map ``ledger``; the row's index is the program id.

tried counts every attempt to reserve a record and gives the sequence number; dropped are the
attempts that found the ring full; discarded are records given up after the reservation;
unreturned are calls whose exit was missed, found when the same task went on; limited and sampled
are runs that a rate limit or sampling ended before an attempt; aggregated are attempts that found
the ring full and were counted by key instead of dropped.
"""

CONTROL = (("awake_until", 0, 8), ("keep_one_in", 8, 4), ("sharded", 12, 4))
"""Name, offset and size of what the reader tells running programs, in the one value of ``control``.

awake_until: boot clock in ns; the reader looks at the ring before then by itself, so that a record
of an earlier time needs no wake-up; 0 while it sleeps. keep_one_in: send one of so many events; 0
and 1 mean all. sharded: 1 where programs are to use the ring of their CPU.
"""
CONTROL_SIZE = 64

DELIVER_ALWAYS = 1
DELIVER_NEVER = 2
DELIVER_ADAPTIVE = 4
RINGS_PER_CPU = 8
RINGS_AUTO = 16
PRESSURE_SAMPLE = 32
PRESSURE_AGGREGATE = 64
"""Bits of the config field ``delivery``; none of the first three: the kernel wakes a reader that has read all."""

EVENTS_MAP = "events"
SHARDS_MAP = "shards"
CONTROL_MAP = "control"
LEDGER_MAP = "ledger"
RAISED_MAP = "raised"
SCRATCH_MAP = "scratch"
FOLLOWED_MAP = "followed"
CGROUPS_MAP = "cgroups"
CALLS_MAP = "calls"
FRAMES_MAP = "frames"
CONFIG_SECTION = ".rodata"

STANDARD_MAPS = frozenset(
    {
        EVENTS_MAP,
        SHARDS_MAP,
        CONTROL_MAP,
        LEDGER_MAP,
        RAISED_MAP,
        SCRATCH_MAP,
        FOLLOWED_MAP,
        CGROUPS_MAP,
        CALLS_MAP,
        FRAMES_MAP,
        *("limits", "aggregated"),  # see `syscast.spec.pressure`
    }
)
"""Names that no other map of an object may have."""

FILTER_PID = 1
FILTER_TID = 2
FILTER_UID = 4
FILTER_COMM = 8
FILTER_NETNS = 16
FILTER_CGROUP = 32
FILTER_FOLLOW = 64


class FieldMeta(msgspec.Struct, frozen=True):
    """One field of an event's payload.

    Attributes:
        kind: ``int``, ``bool``, ``str`` (NUL-terminated, escaped UTF-8), ``bytes`` (fixed size),
            ``ipv4`` (4 bytes, network order), ``ipv6`` (16 bytes, network order; an IPv4 address
            stands v4-mapped), ``ip`` (u16 address family in host order, 2 bytes of zero, 16 bytes
            address), ``port`` (u16, host order), ``pointer`` (u64, shown in hex), ``enum``
            (an int with names), ``function`` (a number whose name is text: which of its many targets
            the program ran at; the names are those of the running kernel, set when it is loaded).
        offset: From the payload's start.
        size: In bytes.
        labels: For ``enum`` and ``function``: value to name.
    """

    name: str
    kind: str
    offset: int
    size: int
    signed: bool = False
    labels: dict[int, str] = {}


class SchemaMeta(msgspec.Struct, frozen=True):
    """One event type: its id in record headers, its name and its payload's layout.

    Attributes:
        size: Payload in bytes, a multiple of 8.
    """

    id: int
    name: str
    size: int
    fields: tuple[FieldMeta, ...]


class SiteMeta(msgspec.Struct, frozen=True):
    """A place in the source where a probe can raise; its id indexes the map ``raised``."""

    id: int
    exception: str
    file: str
    line: int
    column: int
    text: str = ""


class ConfigField(msgspec.Struct, frozen=True):
    """Where a filter's value stands in the read-only data section."""

    name: str
    offset: int
    size: int


class ProgramMeta(msgspec.Struct, frozen=True):
    """What one program of the object is for.

    Attributes:
        name: The program's name in the object.
        id: Program id in record headers and row of the ledger.
        probe: The name that users see.
        kind: The probe kind's name.
        target: The function, tracepoint or syscall.
        role: ``probe``, ``entry``, ``exit`` or ``follow``.
    """

    name: str
    id: int
    probe: str
    kind: str
    target: str
    role: str = "probe"


class StateMeta(msgspec.Struct, frozen=True):
    """A map that probes share with Python.

    Attributes:
        name: Of the map that programs look at first.
        kind: The Python class: ``Counter``, ``Hash`` and so on.
        label: What the probes call it.
        losing: Sites that count updates for which the map had no room.
        key: Parts of the user's key, () without one; a single one has no name.
        value: Parts of a value that is not given by the class.
        options: What the class is constructed with.
    """

    name: str
    kind: str
    label: str = ""
    losing: tuple[int, ...] = ()
    key: tuple[FieldMeta, ...] = ()
    value: tuple[FieldMeta, ...] = ()
    options: dict[str, int | str] = {}


def state_data(name: str) -> str:
    """Name of the map that has a state's data, where its own map only names that one."""
    return f"{name}.d"


class ObjectMeta(msgspec.Struct, frozen=True):
    """The whole section ``.syscast``.

    Attributes:
        arch: Machine whose registers the programs read (``x86_64``), ``""`` if they read none.
        btf_identity: Set where the programs hold facts of one kernel that no relocation mends.
        foreign: The object is not syscast's: records are the bare payload, without header.
    """

    version: int = VERSION
    schemas: tuple[SchemaMeta, ...] = ()
    sites: tuple[SiteMeta, ...] = ()
    programs: tuple[ProgramMeta, ...] = ()
    config: tuple[ConfigField, ...] = ()
    arch: str = ""
    btf_identity: str = ""
    foreign: bool = False
    states: tuple[StateMeta, ...] = ()
    tables: tuple[TableMeta, ...] = ()
