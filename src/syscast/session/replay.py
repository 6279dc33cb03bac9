"""``replay``: a recording as the session that it was."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from _thread import RLock  # threading costs a start 2 ms
from bisect import bisect_right
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from syscast.errors import FormatError, LostEventsWarning, UsageError
from syscast.events import cutting
from syscast.events.event import Event, boot_time, declared_as, is_loss
from syscast.events.recorded import Sender, ledger_of
from syscast.events.recording import Piece, RecordingReader, read_account_of
from syscast.events.records import Decoder
from syscast.events.text import counted
from syscast.kernel.polling import Poller
from syscast.session.stream import EventStream, Limit

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from io import BufferedReader
    from types import TracebackType

    from syscast.events.arrow.columns import Addresses
    from syscast.events.arrow.stream import Stream
    from syscast.events.batch import Batch
    from syscast.events.envelope import RawRecord
    from syscast.events.ledger import Ledger
    from syscast.events.lost import Lost
    from syscast.events.recorded import Account, Provenance, Recorded
    from syscast.spec.meta import ProgramMeta, SchemaMeta
    from syscast.state.state import State

ORIGINAL = "original"
_MAX_SPEED = 1e9
_ASYNC_S = 0.02
"""How often an asynchronous reader looks whether the next event is due."""
_LEAVE_S = 1.0
"""How long `close` waits for a reader, which may be in a pipe that nobody writes to."""

_Taken = TypeVar("_Taken")
if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # in typing since 3.13 (PEP 696)

    E_co = TypeVarWithDefault("E_co", bound=Event, covariant=True, default=Event)
else:
    E_co = TypeVar("E_co", covariant=True)


def replay(
    path: str | os.PathLike[str],
    *,
    speed: float | str | None = None,
    classes: Iterable[type[Event]] = (),
) -> Replay:
    """Open a recording; it is read as a session is, with no privileges and on any machine.

    Its events are equal to those that were delivered when it was recorded. Their classes are the
    declared ones where the program has them, by module, name and fields, else such as `trace`
    makes.

    Args:
        path: The file; ``-`` is stdin.
        speed: None gives events at once, ``original`` or 1 when as much time has passed as
            between them then, 2 twice as fast.
        classes: Event classes to use where the recording has one of this name.

    Raises:
        UsageError: The file cannot be opened, or the speed is none.
        FormatError: It is no recording, or one of a newer format. One that is damaged further on
            raises this when the events before the damage have been read.
    """
    return Replay(path, speed=speed, classes=classes)


class Replay(Generic[E_co]):
    """The events of a recording, read as those of a `syscast.Session`.

    Attributes:
        path: The file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        speed: float | str | None = None,
        classes: Iterable[type[Event]] = (),
    ) -> None:
        """Open a recording; see `replay`."""
        self.path: str = os.fspath(path)
        self._speed = _speed(speed)
        self._file = _open(self.path)
        with contextlib.ExitStack() as undo:
            undo.callback(self._file.close)
            self._reader = RecordingReader(self._file, self.path)
            self._decoder = _decoder(self._reader.header.recorded, tuple(classes), self.path)
            undo.pop_all()
        self._seekable = self._file.seekable()
        self._pieces = self._reader.pieces()
        self._kept: Piece | None = None  # taken by a reading whose time was over before it was due
        self._pending: list[E_co | Lost] = []
        self._missing: tuple[Lost, ...] = ()  # before the next batch
        self.on_last_losses: Callable[[Sequence[Lost]], None] | None = None
        self._begun: tuple[float, int] | None = None
        self._poller = Poller()
        self._over = False
        self._ending = False
        self._closed = False
        self._inside = RLock()
        self._readers = 0

    # ------------------------------------------------------------ reading

    def read(self, timeout: float | None = None) -> list[E_co]:
        """Give the next events, in time order; with a speed, those that are due.

        Args:
            timeout: Seconds to wait for the next that is due; None waits.

        Returns:
            Nothing when the time is over, `stop` was called, or the recording has ended.

        Raises:
            FormatError: It is damaged here; the events before have been given.
        """
        self._check_open()
        deadline = _deadline(timeout)
        while items := self._collect(deadline):
            events = self._without_losses(items)
            if events:
                return events
        return []

    def collect(self, timeout: float | None = None) -> list[E_co | Lost]:
        """As `read`, with a `syscast.Lost` where events are missing, as `stream` gives them."""
        self._check_open()
        return self._collect(_deadline(timeout))

    def _collect(self, deadline: float | None) -> list[E_co | Lost]:
        with self._reading():
            found = self._next_due(deadline)
            return [] if self._closed else found

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Keep the file open meanwhile, whoever closes the replay."""
        with self._inside:
            self._readers += 1
            try:
                yield
            finally:
                self._readers -= 1
                if self._closed:
                    self._release()

    def _next_due(self, deadline: float | None) -> list[E_co | Lost]:
        while not self._ending:
            if not self._pending:
                piece = self._next_piece()
                if piece is None:
                    return []
                self._pending = self._items(piece)
                continue
            due = self._due()
            if due:
                found, self._pending = self._pending[:due], self._pending[due:]
                return found
            if not self._sleep(boot_time(self._pending[0]), deadline):
                return []
        return []

    def events(self, *, timeout: float | None = None, count: int | None = None) -> Iterator[E_co]:
        """Iterate over events; arguments as for `Session.events`, errors as for `read`."""
        self._check_open()
        return self._events(timeout, Limit(count))

    def _events(self, timeout: float | None, limit: Limit) -> Generator[E_co]:
        for item in self._each(_deadline(timeout), limit):
            if is_loss(item):
                self._warn([cast("Lost", item)])
            else:
                yield cast("E_co", item)

    def stream(
        self, *, timeout: float | None = None, count: int | None = None
    ) -> EventStream[E_co | Lost]:
        """Iterate over events and over what was missing between them; see `Session.stream`."""
        self._check_open()
        return EventStream(
            lambda: self._each(_deadline(timeout), Limit(count)),
            lambda: self._each_async(_deadline(timeout), Limit(count)),
        )

    def _each(self, deadline: float | None, limit: Limit) -> Generator[E_co | Lost]:
        while not self.ended and not limit.reached:
            yield from self._given(self._collect(deadline), limit)
            if deadline is not None and time.monotonic() >= deadline:
                return

    async def _each_async(
        self, deadline: float | None, limit: Limit
    ) -> AsyncGenerator[E_co | Lost]:
        import asyncio  # noqa: PLC0415  (costs 30 ms, for those who use it)

        while not self.ended and not limit.reached:
            items = self._collect(time.monotonic())
            for item in self._given(items, limit):
                yield item
            if deadline is not None and time.monotonic() >= deadline:
                return
            await asyncio.sleep(0.0 if items else _ASYNC_S)

    def _given(self, items: list[E_co | Lost], limit: Limit) -> Generator[E_co | Lost]:
        """Yield up to a limit; who leaves early finds the rest at the next reading."""
        rest = iter(items)
        try:
            for item in rest:
                if self._closed:
                    return
                yield item
                if not is_loss(item) and limit.count():
                    break
        finally:
            self._pending = list(rest) + self._pending

    def __iter__(self) -> Iterator[E_co]:
        return self.events()

    def __aiter__(self) -> AsyncIterator[E_co]:
        self._check_open()
        return self._events_async()

    async def _events_async(self) -> AsyncGenerator[E_co]:
        async for item in self._each_async(None, Limit(None)):
            if is_loss(item):
                self._warn([cast("Lost", item)])
            else:
                yield cast("E_co", item)

    def batches(self, *, timeout: float | None = None) -> Iterator[Batch]:
        """Iterate over batches; with a speed, each comes when its last event is due.

        Where the time is over before, it is cut: what is due comes now, the rest at the next reading.
        """
        self._check_open()
        return self._batches(timeout)

    def _batches(self, timeout: float | None) -> Generator[Batch]:
        yield from self._rounds(self._batch, timeout)
        if self._over and self._missing:
            losses, self._missing = self._missing, ()
            if self.on_last_losses is not None:
                self.on_last_losses(losses)
            else:
                self._warn(losses)

    def arrow(
        self,
        *,
        timeout: float | None = None,
        raw: bool = False,
        addresses: Addresses = "text",
        dictionaries: bool = True,
    ) -> Stream:
        """Give the events as a stream of Arrow columns, as `Session.arrow`.

        Args:
            timeout: End after so many seconds, measured from the first batch.
            raw: As in `syscast.events.batch.Batch.arrow`.
            addresses: As there.
            dictionaries: As there.

        Raises:
            UsageError: There is no such form.
        """
        from syscast.events.arrow.columns import Form  # noqa: PLC0415  (few ask for it)
        from syscast.events.arrow.stream import stream_of  # noqa: PLC0415  (numpy costs 100 ms)

        self._check_open()
        _deadline(timeout)  # a mistake is told now, not by the consumer
        form = Form(raw, addresses, dictionaries)
        return stream_of(self._decoder.described(), form, lambda: self.batches(timeout=timeout))

    def tuples(self, *, timeout: float | None = None) -> Iterator[list[RawRecord]]:
        """Iterate over lists of plain tuples, as `Session.tuples`; timing as for `batches`."""
        self._check_open()
        return self._rounds(self._tuples, timeout)

    def _rounds(self, take: Callable[[Piece], _Taken], timeout: float | None) -> Iterator[_Taken]:
        deadline = _deadline(timeout)
        while not self.ended:
            with self._reading():
                piece = self._due_piece(deadline)
                if piece is None or self._closed:
                    return
                found = take(piece)
            if piece.block:
                yield found
            if deadline is not None and time.monotonic() >= deadline:
                return

    def _due_piece(self, deadline: float | None) -> Piece | None:
        """Wait for the next records to be due; what is not when the time is over is kept."""
        piece = self._next_piece()
        if piece is None or not self._speed or not piece.last:
            return None if self._ending else piece
        self._wait_for(cutting.begin(piece))  # the first of all is due at once
        while not self._ending:
            if self._wait_for(piece.last) <= 0:
                return piece
            if not self._sleep(piece.last, deadline) and self._wait_for(piece.last) > 0:
                due, later = cutting.part_until(piece, self._now())
                if not due.block and not due.losses:
                    break
                self._kept = later
                return due
        self._kept = piece
        return None

    def run(self, callback: Callable[[E_co], object], *, timeout: float | None = None) -> None:
        """Call a function with each event until the recording ends, `stop` is called or time is over."""
        for event in self.events(timeout=timeout):
            callback(event)

    def wait(self, timeout: float | None = None) -> bool:
        """Do nothing: there is nothing to wait for; gives True as a session that has ended."""
        del timeout
        self._check_open()
        return True

    def _next_piece(self) -> Piece | None:
        """The next records; None at the end, where it is said if the recording had none."""
        if self._over or self._closed:
            return None
        kept, self._kept = self._kept, None
        if kept is not None:
            return kept
        self._over = True  # also if this raises
        piece = next(self._pieces, None)
        if piece is None and self._reader.losses:
            losses, self._reader.losses = self._reader.losses, []
            piece = Piece(b"", 0, 0, losses)
        if piece is not None:
            self._over = False
            return piece
        account = self._reader.account
        if account is not None and not account.complete:
            import warnings  # noqa: PLC0415  (only for recordings that were cut)

            warnings.warn(self.unfinished(account), LostEventsWarning, stacklevel=4)
        return None

    def missing(self) -> Sequence[Lost]:
        """Take the losses that no reading has told of yet."""
        losses, self._missing = self._missing, ()
        return losses

    def unfinished(self, account: Account | None = None) -> str:
        """Say why the recording did not come to its end; nothing if it did."""
        account = account or self.account()
        if account.complete:
            return ""
        why = account.reason or "the recorder still runs, or was killed"
        return f"recording '{self.path}': it did not come to its end: {why}"

    def _items(self, piece: Piece) -> list[E_co | Lost]:
        self._decoder.clock_offset_ns = piece.offset_ns
        events = cast("list[E_co]", self._decoder.views(self._decoder.block_tuples(piece.block)))
        if not piece.losses:
            return cast("list[E_co | Lost]", events)
        found: list[E_co | Lost] = [*piece.losses, *events]
        found.sort(key=boot_time)  # a stable order: a loss stands before the event that showed it
        return found

    def _batch(self, piece: Piece) -> Batch:
        self._decoder.clock_offset_ns = piece.offset_ns
        batch = self._decoder.batch(piece.block)
        batch.lost = (*self._missing, *piece.losses)
        self._missing = () if piece.block else batch.lost
        return batch

    def _tuples(self, piece: Piece) -> list[RawRecord]:
        self._warn(piece.losses)
        return self._decoder.block_tuples(piece.block)

    def _without_losses(self, items: list[E_co | Lost]) -> list[E_co]:
        losses = [each for each in items if is_loss(each)]
        self._warn(cast("list[Lost]", losses))
        events = [each for each in items if not is_loss(each)] if losses else items
        return cast("list[E_co]", events)

    def _warn(self, losses: Sequence[Lost]) -> None:
        """Warn of losses that the reader is not given."""
        if not losses:
            return
        import warnings  # noqa: PLC0415  (with losses only)

        text = counted(sum(each.count for each in losses), "event")
        causes = ", ".join(dict.fromkeys(each.cause for each in losses))
        warnings.warn(
            f"recording '{self.path}': {text} lost when it was recorded ({causes})",
            LostEventsWarning,
            stacklevel=4,
        )

    # ------------------------------------------------------------ timing

    def _due(self) -> int:
        """How many of the pending events may be given now."""
        if not self._speed or not boot_time(self._pending[0]):
            return len(self._pending)
        self._wait_for(boot_time(self._pending[0]))
        return bisect_right(self._pending, self._now(), key=boot_time)

    def _now(self) -> int:
        """The boot clock of then, once something was waited for."""
        assert self._begun is not None
        start, first = self._begun
        return first + int((time.monotonic() - start) * self._speed * 1e9)

    def _wait_for(self, moment: int) -> float:
        """Seconds until something of this boot time is due."""
        if self._begun is None:
            self._begun = (time.monotonic(), moment)
        start, first = self._begun
        return start + (moment - first) / 1e9 / self._speed - time.monotonic()

    def _sleep(self, moment: int, deadline: float | None) -> bool:
        """Wait until something is due or `stop` is called; False if the time is over before."""
        left = self._wait_for(moment)
        if deadline is not None and deadline - time.monotonic() < left:
            left = deadline - time.monotonic()
            self._poller.wait(max(0.0, left))
            return False
        if left > 0:
            self._poller.wait(left)
        return True

    # ------------------------------------------------------------ ending

    def stop(self) -> None:
        """End all iterations; callable from a signal handler or thread."""
        self._ending = True
        self._poller.wake()

    @property
    def ended(self) -> bool:
        """Whether all was read, or `stop` was called."""
        return self._closed or self._ending or (self._over and not self._pending)

    @property
    def command(self) -> None:
        """A command was started with the session, if at all; a replay starts none."""
        return None

    def describe(self) -> list[str]:
        """How each program was attached."""
        return list(self.provenance().attached)

    def explain(self) -> list[str]:
        """Where each filter ran, and why."""
        return list(self.provenance().filters)

    def provenance(self) -> Provenance:
        """Where and how the recording was made."""
        return self._reader.header.provenance

    @property
    def classes(self) -> list[type[Event]]:
        """The classes of its events."""
        return list(self._decoder.classes.values())

    @property
    def declared(self) -> frozenset[str]:
        """The classes that were declared where it was recorded, as ``module:name``."""
        return frozenset(self._reader.header.recorded.classes.values())

    @property
    def states(self) -> dict[str, State]:
        """State is not in recordings."""
        return {}

    @property
    def senders(self) -> list[Sender]:
        """The objects whose programs sent the events."""
        recorded = self._reader.header.recorded
        decoder = self._decoder
        return [Sender(decoder.schemas, recorded.programs, decoder.classes, recorded.foreign)]

    def account(self) -> Account:
        """What stands behind the events.

        Raises:
            FormatError: It is cut off or damaged.
            UsageError: The recording comes through a pipe and was not read to its end.
        """
        if self._reader.account is not None:
            return self._reader.account
        if not self._seekable:
            raise UsageError(
                f"recording '{self.path}': read the ledger: it stands at the end (read all events before)"
            )
        with _open(self.path) as file:
            return read_account_of(file, self.path)

    def stats(self) -> Ledger:
        """The ledger as it was recorded; errors as for `account`."""
        return ledger_of(self.account())

    def detach(self) -> None:
        """Do nothing: nothing is attached."""

    def reads(self, path: str) -> bool:
        """Whether a path is the file that is read, whatever it is called; ``-`` is stdout."""
        if self._closed:
            return False
        try:
            other = os.fstat(1) if path == "-" else os.stat(path)  # noqa: PTH116  (1 has no path)
        except OSError:
            return False
        own = os.fstat(self._file.fileno())
        return stat.S_ISREG(other.st_mode) and os.path.samestat(own, other)

    def close(self) -> None:
        """Close the file, once who reads in another thread has left it; that reading gives nothing."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        if not self._inside.acquire(timeout=_LEAVE_S):
            return  # the reader closes it when it leaves
        try:
            self._release()
        finally:
            self._inside.release()

    def _release(self) -> None:
        """Close the file, unless this thread is reading: a signal handler has closed the replay."""
        if not self._readers:
            self._file.close()
            self._poller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("replay: read: it is closed")


class _BareDecoder(Decoder):
    """Decodes records whose headers are zeros, of objects of others: events without envelopes."""

    def __init__(
        self,
        schemas: Iterable[SchemaMeta],
        programs: Iterable[ProgramMeta],
        classes: Mapping[int, type[Event]],
    ) -> None:
        super().__init__(schemas, programs, classes)
        self._origin = None


def _decoder(recorded: Recorded, given: Sequence[type[Event]], name: str) -> Decoder:
    """A decoder of all records, with the classes that the user or the program has for them."""
    classes: dict[int, type[Event]] = {}
    for schema in recorded.schemas:
        own = next((cls for cls in given if cls.__name__ == schema.name), None)
        found = own or _declared(recorded.classes.get(schema.id, ""))
        if found is None:
            continue
        try:
            Decoder((schema,), (), {schema.id: found})
        except UsageError:
            if own is not None:
                raise
        else:
            classes[schema.id] = found
    kind = _BareDecoder if recorded.foreign else Decoder
    try:
        return kind(recorded.schemas, recorded.programs, classes)
    except (ValueError, TypeError, AttributeError) as error:  # names that no class can have
        raise FormatError(
            f"recording '{name}': read: its description is damaged: {error}"
        ) from None


def _declared(name: str) -> type[Event] | None:
    """The class of this name that the program has; the last one, should there be several."""
    found = None
    waiting: list[type[Event]] = [Event] if name else []
    while waiting:
        for cls in waiting.pop().__subclasses__():
            waiting.append(cls)
            if declared_as(cls) == name:
                found = cls
    return found


def _open(path: str) -> BufferedReader:
    try:
        if path == "-":
            return open(os.dup(0), "rb")  # noqa: PTH123  (whoever calls closes it)
        return open(path, "rb")  # noqa: PTH123
    except OSError as error:
        cause = (error.strerror or "cannot be opened").lower()
        raise UsageError(f"recording '{path}': open: {cause}") from None


def _speed(speed: float | str | None) -> float:
    """A factor; 0 for at once."""
    if speed is None:
        return 0.0
    try:
        found = 1.0 if speed == ORIGINAL else float(speed)
    except ValueError:
        found = 0.0
    if not 0 < found <= _MAX_SPEED:
        raise UsageError(
            f"speed '{speed}': set: it is none (original, or a factor such as 2 or 0.5)"
        )
    return found


def _deadline(timeout: float | None) -> float | None:
    from syscast.session.timeouts import deadline_of  # noqa: PLC0415  (few give one)

    return deadline_of(timeout)
