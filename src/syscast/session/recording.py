"""From a session to a recording: what it says of itself, and reading the rings into it."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec.structs import replace

from syscast._version import __version__
from syscast.errors import FormatError, UsageError
from syscast.events.event import declared_as
from syscast.events.recorded import Account, Header, Provenance, Recorded, account_of, ledger_of
from syscast.session.replay import Replay
from syscast.sinks.arrowfile import ArrowFileSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from syscast.events.batch import Batch
    from syscast.events.event import Event
    from syscast.events.ledger import Ledger
    from syscast.events.lost import Lost
    from syscast.events.recorded import Sender
    from syscast.spec.meta import ProgramMeta, SchemaMeta

_STEP_S = 0.25
"""How often a recorder looks whether something has to be written."""
_IDS = 1 << 16
"""Programs and schemas have a u16 each."""


class Recordable(Protocol):
    """A session, or the replay of one."""

    @property
    def senders(self) -> Sequence[Sender]:
        """Its objects."""
        ...

    @property
    def ended(self) -> bool:
        """Whether there is an end to what is read."""
        ...

    on_last_losses: Callable[[Sequence[Lost]], None] | None
    """Takes the losses behind the last batch, of which there is a warning otherwise."""

    def batches(self, *, timeout: float | None = None) -> Iterator[Batch]:
        """Batches."""
        ...

    def missing(self) -> Sequence[Lost]:
        """Take the losses that no reading has told of yet."""
        ...

    def detach(self) -> None:
        """Let nothing new come."""
        ...

    def stats(self) -> Ledger:
        """The ledger."""
        ...

    def provenance(self) -> Provenance:
        """Where its events come from."""
        ...


@runtime_checkable
class _Replayed(Protocol):
    """A recording that is recorded once more: what its ledger says is over."""

    def account(self) -> Account:
        """What stands behind the events."""
        ...


class Recorder(ArrowFileSink):
    """Writes a session's batches to a file; see `syscast.Session.recorder`.

    Attributes:
        full: `run` ended because there were as many events as it was to take.
    """

    def __init__(self, session: Recordable, path: str | os.PathLike[str]) -> None:
        """Open the file.

        Raises:
            UsageError: It cannot be opened, or is the file that is replayed.
        """
        target = os.fspath(path)
        if isinstance(session, Replay) and session.reads(target):
            raise UsageError(f"output '{target}': open: it is the file that is read")
        header, bases = _header(session)
        self._session = session
        self._cut: Counter[int] = Counter()
        self._copied: Counter[int] = Counter()
        self._programs = header.recorded.programs
        self.full: bool = False
        super().__init__(target, header, self._as_of_now, bases)

    def open(self) -> None:
        """Write what stands before the events."""
        super().open()
        self._session.on_last_losses = self.lose

    def finish(self, *, complete: bool = True, reason: str = "") -> None:
        """Write what waits and the final account; see `ArrowFileSink.finish`."""
        self._session.on_last_losses = None
        self.lose(self._session.missing())
        if complete and isinstance(self._session, _Replayed):
            account = self._told(self._session)
            complete, reason = account.complete, account.reason
        super().finish(complete=complete, reason=reason)

    def write(self, batch: Batch) -> None:
        """Take a batch of the session; see `ArrowFileSink.write`."""
        if isinstance(self._session, _Replayed):
            self._copied += self._by_program(batch)
        super().write(batch)

    def run(
        self,
        *,
        timeout: float | None = None,
        count: int | None = None,
        accept: Callable[[Event], bool] | None = None,
    ) -> None:
        """Read the session into the file until it ends.

        Args:
            timeout: End after so many seconds.
            count: End after so many events.
            accept: Says whether an event is wanted; all are if None.

        Raises:
            SinkClosed: Nobody reads any more, where the file is a pipe.
            SinkError: It cannot be written; see `ArrowFileSink.write`.
        """
        session = self._session
        deadline = None if timeout is None else time.monotonic() + timeout
        taken = 0
        for batch in self._batches_of(session, deadline):
            wanted = batch if accept is None else _accepted(batch, accept)
            if count is not None and taken + len(wanted) >= count:
                self.write(self._first(wanted, count - taken))
                self.full = True
                session.detach()
                return
            taken += len(wanted)
            self.write(wanted)

    def _batches_of(self, session: Recordable, deadline: float | None) -> Iterator[Batch]:
        """Read until the session ends or the time is over, then what is left in the rings."""
        while not session.ended:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            yield from session.batches(timeout=_STEP_S if left is None else min(left, _STEP_S))
            self.tick()
        session.detach()
        drained = isinstance(session, Replay)  # what it has left was not due yet
        while not drained:  # one reading takes no more than a part
            drained = True
            for batch in session.batches(timeout=0):
                drained = False
                yield batch

    def _first(self, batch: Batch, count: int) -> Batch:
        """Cut a batch; what is behind counts as never read."""
        if count == len(batch):
            return batch
        first = batch.first(count)
        self._cut += self._by_program(batch) - self._by_program(first)
        return first

    def _by_program(self, batch: Batch) -> Counter[int]:
        """How many events of a batch each program sent, by its id in the file."""
        base = self._bases.get(id(batch.schemas), 0)
        return Counter({base + number: count for number, count in batch.programs().items()})

    def _as_of_now(self) -> Account:
        if isinstance(self._session, _Replayed):
            ledger = ledger_of(self._told(self._session))
        else:
            ledger = self._session.stats()
        return account_of(self.corrected(ledger), time.time_ns())

    def _told(self, session: _Replayed) -> Account:
        """What a recording says of itself, which may be cut off, or come through a pipe later."""
        try:
            return session.account()
        except (FormatError, UsageError):
            return Account(reason="the recording it was made of has no ledger")

    def corrected(self, ledger: Ledger) -> Ledger:
        """The ledger without the events behind the last one that was wanted."""
        copied = isinstance(self._session, _Replayed)
        # There is a row for each program, in their order.
        if len(ledger.rows) != len(self._programs) or not (self._cut or copied):
            return ledger
        rows = []
        for row, program in zip(ledger.rows, self._programs, strict=True):
            cut = row.delivered - self._copied[program.id] if copied else self._cut[program.id]
            cut = max(0, min(cut, row.delivered))
            rows.append(replace(row, read=row.read - cut, delivered=row.delivered - cut))
        return replace(ledger, rows=tuple(rows))


def _accepted(batch: Batch, accept: Callable[[Event], bool]) -> Batch:
    import numpy as np  # noqa: PLC0415  (few ask for it; batches need it anyway)

    return batch.chosen(np.array([accept(event) for event in batch.events()], np.bool_))


def _header(session: Recordable) -> tuple[Header, dict[int, int]]:
    """What stands before the events, and what to add to the program ids of each object."""
    senders = session.senders
    if not any(each.schemas for each in senders):
        raise UsageError(
            "session: record: its probes send no events (their state is read with Python, or shown by syscast run)"
        )
    bases: dict[int, int] = {}
    schemas: list[SchemaMeta] = []
    programs: list[ProgramMeta] = []
    classes: dict[int, str] = {}
    for each in senders:
        first = max((program.id for program in programs), default=-1) + 1
        base = max((schema.id for schema in schemas), default=-1) + 1
        bases[id(each.schemas)] = first
        programs += [replace(program, id=program.id + first) for program in each.programs]
        schemas += [replace(schema, id=schema.id + base) for schema in each.schemas.values()]
        classes |= {key + base: declared_as(cls) for key, cls in each.classes.items()}
    if max([each.id for each in programs] + [each.id for each in schemas]) >= _IDS:
        raise UsageError("session: record: it has more programs than a recording can tell apart")
    recorded = Recorded(
        tuple(schemas),
        tuple(programs),
        any(each.foreign for each in senders),
        {key: name for key, name in classes.items() if name},
    )
    return Header(recorded, session.provenance(), __version__), bases


def provenance_of(
    attached: Sequence[str], filters: Sequence[str], probes: Mapping[str, object]
) -> Provenance:
    """Say where and how events are recorded, here and now.

    Args:
        attached: How each program is attached.
        filters: What the user filters by.
        probes: Target to body: a function, or expressions.
    """
    from syscast.kernel import host  # noqa: PLC0415  (recordings only)
    from syscast.kernel.textfiles import read_text  # noqa: PLC0415
    from syscast.probes import registers  # noqa: PLC0415

    offset = host.wall_offset_ns()
    now = time.time_ns()
    return Provenance(
        host=read_text("/proc/sys/kernel/hostname") or "",
        kernel=read_text("/proc/sys/kernel/osrelease") or "",
        machine=registers.here().machine,
        boot_id=host.boot_id(),
        command_line=tuple(sys.argv),
        attached=tuple(attached),
        filters=tuple(filters),
        probes={target: _text_of(body) for target, body in probes.items()},
        start=now,
        boot_time=now - offset,
        clock_offset=offset,
    )


def _text_of(body: object) -> str:
    """A probe as its user wrote it; nothing where that is not known."""
    import ast  # noqa: PLC0415  (recordings only)
    import inspect  # noqa: PLC0415

    fields = getattr(body, "fields", None)
    if isinstance(fields, tuple):
        texts = [f"{ast.unparse(each[1])} as {each[0]}" for each in fields]
        condition = getattr(body, "condition", None)
        if condition is not None:
            texts.append(f"if {ast.unparse(condition[0])}")
        return ", ".join(texts)
    try:
        return inspect.getsource(body)  # type: ignore[arg-type]  # says itself what it takes
    except (OSError, TypeError):
        return ""
