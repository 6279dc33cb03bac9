"""What a recording says of itself, in the metadata of its Arrow schemas, as JSON.

A recording is two Arrow streams in one file: the events, and behind their end the account of them:
the ledger, what was lost, and whether the recording came to its end. Readers that know nothing of
syscast stop behind the events. The account is written anew behind every piece of events, so that a
recorder that is killed leaves a file that says what became of every event until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from syscast.errors import FormatError
from syscast.events.arrow.columns import Described
from syscast.events.ledger import Ledger, Section
from syscast.events.schema import ordered
from syscast.spec.meta import ProgramMeta, SchemaMeta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syscast.events.event import Event

FORMAT = 1
"""Goes up when an older syscast could not read a file any more."""

FORMAT_KEY = "syscast.format"
VERSION_KEY = "syscast.version"
PROBES_KEY = "syscast.probes"
ORIGIN_KEY = "syscast.recorded"
ACCOUNT_KEY = "syscast.account"

_SLACK = 512
_STEP = 2048


class Sender(NamedTuple):
    """One object of a session, as far as its records go.

    Attributes:
        schemas: The decoder's own mapping, which its batches refer to.
        programs: Its programs.
        classes: Event classes by schema id.
        foreign: Its records have no envelope (see `syscast.events.foreign`).
    """

    schemas: Mapping[int, SchemaMeta]
    programs: Sequence[ProgramMeta]
    classes: Mapping[int, type[Event]]
    foreign: bool


class Recorded(msgspec.Struct, frozen=True):
    """What sent the events.

    Attributes:
        schemas: The event types.
        programs: The programs; ids are different also where they come from several objects.
        foreign: The records have no envelope (see `syscast.events.foreign`).
        classes: Schema id to the event class, ``module:name``, where the user declared one.
    """

    schemas: tuple[SchemaMeta, ...] = ()
    programs: tuple[ProgramMeta, ...] = ()
    foreign: bool = False
    classes: dict[int, str] = {}


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a recording was made; nothing of it is needed to read it.

    Attributes:
        host: The machine's name.
        kernel: Its kernel's release.
        machine: Its processor's architecture.
        boot_id: Tells one boot of a machine from another.
        command_line: What was called.
        attached: How each program was attached.
        filters: What the user filtered by.
        probes: Each probe as it was written: target to source text.
        start: Wall clock at the start, ns since 1970.
        boot_time: Boot clock at the same moment, ns.
        clock_offset: Wall clock minus boot clock then, ns.
    """

    host: str = ""
    kernel: str = ""
    machine: str = ""
    boot_id: str = ""
    command_line: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    probes: dict[str, str] = {}
    start: int = 0
    boot_time: int = 0
    clock_offset: int = 0


class RecordedSection(msgspec.Struct, frozen=True):
    """A part of the ledger that others made: how events came, what tracing cost.

    Attributes:
        text: For people, line by line.
        values: For JSON.
    """

    text: tuple[str, ...] = ()
    values: dict[str, msgspec.Raw] = {}

    def lines(self) -> Sequence[str]:
        """For people."""
        return self.text

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {key: msgspec.json.decode(value) for key, value in self.values.items()}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the events.

    Attributes:
        ledger: What became of every run of every probe, as of ``end``; without its sections.
        delivery: The ledger's section of that name.
        cost: As well.
        complete: The recording came to its end; else it was ended from outside, or still runs.
        reason: Why it is not complete, where the recorder knows it.
        events: Events in the file.
        end: Wall clock, ns since 1970.
    """

    ledger: Ledger = Ledger()
    delivery: RecordedSection | None = None
    cost: RecordedSection | None = None
    complete: bool = False
    reason: str = ""
    events: int = 0
    end: int = 0


class Header(msgspec.Struct, frozen=True):
    """What stands before the events."""

    recorded: Recorded
    provenance: Provenance = Provenance()
    version: str = ""


def described(recorded: Recorded) -> list[Described]:
    """The event types, as `syscast.events.arrow.columns.table_of` takes them."""
    return [
        Described(each.name, each, not recorded.foreign, recorded.classes.get(each.id, ""))
        for each in recorded.schemas
    ]


def header_metadata(header: Header) -> dict[str, str]:
    """Write a header as metadata of the events' schema."""
    return {
        FORMAT_KEY: str(FORMAT),
        VERSION_KEY: header.version,
        PROBES_KEY: msgspec.json.encode(header.recorded).decode(),
        ORIGIN_KEY: msgspec.json.encode(header.provenance).decode(),
    }


def read_header(metadata: Mapping[str, bytes], name: str) -> Header:
    """Read the metadata of the events' schema.

    Raises:
        FormatError: It is not a recording's, is of a newer format, or makes no sense.
    """
    where = f"recording '{name}': read"
    said = metadata.get(FORMAT_KEY)
    if said is None:
        raise FormatError(
            f"{where}: it is an Arrow stream, and no recording (syscast record makes them)"
        )
    version = _text(metadata.get(VERSION_KEY, b""))[:32]
    if not said.isdigit() or int(said[:9]) > FORMAT:
        raise FormatError(
            f"{where}: it is of format {_text(said)[:9]}, by syscast {version or '?'}, and this syscast knows "
            f"{FORMAT} (install a newer one; what takes Arrow IPC streams can read it anyway)"
        )
    try:
        recorded = msgspec.json.decode(metadata.get(PROBES_KEY, b""), type=Recorded)
        provenance = msgspec.json.decode(metadata.get(ORIGIN_KEY, b"{}"), type=Provenance)
        for each in recorded.schemas:
            ordered(each)
    except (msgspec.MsgspecError, FormatError, ValueError, RecursionError) as error:
        raise FormatError(f"{where}: its description is damaged: {error}") from None
    return Header(recorded, provenance, version)


def account_of(ledger: Ledger, end: int) -> Account:
    """Make an account of a ledger, as of a time."""
    return Account(
        ledger=replace(ledger, delivery=None, cost=None),
        delivery=_section(ledger.delivery),
        cost=_section(ledger.cost),
        end=end,
    )


def ledger_of(account: Account) -> Ledger:
    """Give the ledger with its sections."""
    return replace(account.ledger, delivery=account.delivery, cost=account.cost)


def _section(section: Section | None) -> RecordedSection | None:
    if section is None:
        return None
    values = {
        key: msgspec.Raw(msgspec.json.encode(each)) for key, each in section.to_dict().items()
    }
    return RecordedSection(tuple(section.lines()), values)


def account_metadata(account: Account) -> dict[str, str]:
    """Write an account as metadata of the second stream's schema.

    It has some room to spare, so that the next one stands in as many bytes, also on a full disk.
    """
    text = msgspec.json.encode(account).decode()
    size = len(text) + _SLACK
    return {FORMAT_KEY: str(FORMAT), ACCOUNT_KEY: text.ljust(size + -size % _STEP)}


def read_account(metadata: Mapping[str, bytes], name: str) -> Account:
    """Read the metadata of the second stream's schema.

    Raises:
        FormatError: It makes no sense.
    """
    try:
        return msgspec.json.decode(metadata.get(ACCOUNT_KEY, b"").rstrip(), type=Account)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FormatError(f"recording '{name}': read: its ledger is damaged: {error}") from None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
