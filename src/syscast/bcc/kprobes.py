"""kprobes and kretprobes: by name, and by regular expression with one link for all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Self

from syscast.bcc import probed
from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.constants import BPFProgType
from syscast.bcc.failures import NOT_TRACEABLE, failure
from syscast.bcc.programs import Closable, Programs, Quota
from syscast.errors import SyscastError
from syscast.features.probing import supported
from syscast.kernel import perf
from syscast.link.many import KprobeEachLinks, KprobeMultiLinks, ManyLink, Place
from syscast.link.perf_event import PerfEventLink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from syscast.bcc.functions import Function
    from syscast.bcc.module import Module

_MANY = 8
"""Functions from which on one link for all is worth a second copy of the program."""
_MULTI = "trace_kprobe_multi"
_REPLACED = bytes.maketrans(b"+.", b"__")


class _Event(NamedTuple):
    """A kind of probe: what its events are called in the books, and in errors."""

    prefix: bytes
    word: str
    on_return: bool


_ENTRY = _Event(b"p_", "kprobe", on_return=False)
_RETURN = _Event(b"r_", "kretprobe", on_return=True)


class _Group:
    """One program on many functions; its members are detached one by one or all together."""

    def __init__(
        self, function: Function, places: Iterable[Place], kind: _Event, *, multi: bool
    ) -> None:
        self._function = function
        self._places = {os.fsencode(place.name): place for place in places}
        self._kind = kind
        self._multi = multi
        made = self._attach()
        self._link: ManyLink | None = made
        for refused in made.refused:
            self._places.pop(os.fsencode(refused.name), None)

    @property
    def names(self) -> Collection[bytes]:
        """The functions that are attached."""
        return self._places.keys()

    def _attach(self) -> ManyLink:
        places = list(self._places.values())
        how = KprobeMultiLinks if self._multi else KprobeEachLinks
        label = f"{len(places)} functions"
        return how.attach(
            self._function.program, places, on_return=self._kind.on_return, label=label
        )

    def leave(self, name: bytes) -> None:
        """Detach one function: the link is made again for the rest."""
        self.close()
        if self._places.pop(name, None) is not None and self._places:
            self._link = self._attach()

    def close(self) -> None:
        """Detach all; a second call does nothing."""
        link, self._link = self._link, None
        if link is not None:
            link.close()


class _Member:
    """One function of a group."""

    def __init__(self, group: _Group, name: bytes) -> None:
        self.group = group
        self._name = name

    def close(self) -> None:
        """Take this function out."""
        self.group.leave(self._name)


class Kprobes(Programs):
    """What `BPF` knows of kprobes.

    Attributes:
        kprobe_fds: What is attached, by the event's name (``p_NAME``, ``r_NAME``) and program.
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.kprobe_fds: dict[bytes, dict[bytes, Closable]] = {}
        self._multis: dict[bytes, Function] = {}

    def attach_kprobe(
        self, event: Name = b"", event_off: int = 0, fn_name: Name = b"", event_re: Name = b""
    ) -> Self:
        """Run a program at the entry of a kernel function, or of all that an expression matches.

        Raises:
            Exception: As bcc's.
        """
        return self._attach_kprobe(
            _ENTRY, as_bytes(event), as_bytes(fn_name), as_bytes(event_re), event_off
        )

    def attach_kretprobe(
        self, event: Name = b"", fn_name: Name = b"", event_re: Name = b"", maxactive: int = 0
    ) -> Self:
        """Run a program when a kernel function returns; raises as `attach_kprobe`.

        Args:
            event: The function.
            fn_name: The program.
            event_re: Expression for all functions' names, instead.
            maxactive: Calls at once that the kernel follows. The kernel chooses it for probes by
                perf_event_open(2): at least ten, and two for each CPU.
        """
        del maxactive
        return self._attach_kprobe(
            _RETURN, as_bytes(event), as_bytes(fn_name), as_bytes(event_re), 0
        )

    def _attach_kprobe(
        self, kind: _Event, event: bytes, fn_name: bytes, event_re: bytes, offset: int
    ) -> Self:
        if event_re:
            self._attach_matching(kind, event_re, fn_name)
            return self
        Quota.check(1)
        function = self.load_func(fn_name, BPFProgType.KPROBE)
        name = os.fsdecode(event)
        try:
            opened = perf.open_kprobe(name, offset=offset, on_return=kind.on_return)
            link = PerfEventLink.attach(function.program, opened, f"{kind.word} on {name}")
        except SyscastError as error:
            raise _refused(kind, fn_name, repr(event), error) from None
        self._keep(_event_name(kind, event), fn_name, link)
        self.note(fn_name, kind.word, name, f"{offset} bytes behind its start" if offset else "")
        return self

    def _attach_matching(self, kind: _Event, event_re: bytes, fn_name: bytes) -> None:
        names = probed.functions_matching(event_re)
        Quota.check(len(names))
        left, reason = names, None
        if len(names) >= _MANY:
            try:
                left = names - self._attach_group(kind, names, fn_name)
            except SyscastError as error:
                reason = error
        for name in sorted(left):
            try:
                self._attach_kprobe(kind, name, fn_name, b"", 0)
            except Exception:  # noqa: BLE001, S112 - bcc leaves out what cannot be attached
                continue
        if not any(fn_name in self.kprobe_fds.get(_event_name(kind, name), {}) for name in names):
            probes = os.fsdecode(b"/".join(sorted(names))) or os.fsdecode(event_re)
            raise _refused(kind, fn_name, probes, reason)

    def _attach_group(self, kind: _Event, names: set[bytes], fn_name: bytes) -> set[bytes]:
        multi = supported("kprobe_multi")
        function = self._multi(fn_name) if multi else self.load_func(fn_name, BPFProgType.KPROBE)
        found = probed.addresses(names)
        places = [
            Place(os.fsdecode(name), address, number)
            for number, (name, address) in enumerate(sorted(found.items()), 1)
            if address or not multi
        ]
        group = _Group(function, places, kind, multi=multi)
        for name in group.names:
            self._keep(_event_name(kind, name), fn_name, _Member(group, name))
            self.note(fn_name, kind.word, os.fsdecode(name))
        return set(group.names)

    def _multi(self, fn_name: bytes) -> Function:
        """The program as one for many functions: another attach type is another load."""
        made = self._multis.get(fn_name)
        if made is None:
            made = self._multis[fn_name] = self._made(fn_name, BPFProgType.KPROBE, _MULTI)
        return made

    def _keep(self, event_name: bytes, fn_name: bytes, held: Closable) -> None:
        programs = self.kprobe_fds.setdefault(event_name, {})
        old = programs.pop(fn_name, None)
        if old is not None:
            old.close()
            Quota.held -= 1
        programs[fn_name] = held
        Quota.held += 1

    def detach_kprobe_event(self, ev_name: Name) -> None:
        """Detach all programs of an event, by its name in the books; raises Exception."""
        name = as_bytes(ev_name)
        for fn_name in list(self._programs_of(name)):
            self.detach_kprobe_event_by_fn(name, fn_name)

    def detach_kprobe_event_by_fn(self, ev_name: Name, fn_name: Name) -> None:
        """Detach one program of an event; raises Exception."""
        name, program = as_bytes(ev_name), as_bytes(fn_name)
        programs = self._programs_of(name)
        if program not in programs:
            raise failure(f"Kprobe {name!r} has no program {program!r}")
        programs.pop(program).close()
        Quota.held -= 1
        if not programs:
            del self.kprobe_fds[name]

    def _programs_of(self, name: bytes) -> dict[bytes, Closable]:
        if name not in self.kprobe_fds:
            raise failure(f"Kprobe {name!r} is not attached")
        return self.kprobe_fds[name]

    def detach_kprobe(self, event: Name, fn_name: Name | None = None) -> None:
        """Detach from a function's entry; raises Exception: not attached."""
        self._detach_kprobe(_event_name(_ENTRY, as_bytes(event)), fn_name)

    def detach_kretprobe(self, event: Name, fn_name: Name | None = None) -> None:
        """Detach from a function's return; raises Exception: not attached."""
        self._detach_kprobe(_event_name(_RETURN, as_bytes(event)), fn_name)

    def _detach_kprobe(self, ev_name: bytes, fn_name: Name | None) -> None:
        if fn_name is None:
            self.detach_kprobe_event(ev_name)
        else:
            self.detach_kprobe_event_by_fn(ev_name, fn_name)

    def num_open_kprobes(self) -> int:
        """Functions with a probe at their entry, and those with one at their return."""
        return len(self.kprobe_fds)

    def _drop_kprobes(self) -> Iterator[Closable]:
        """Forget all kprobes, for a caller that closes them."""
        groups: dict[int, _Group] = {}
        for programs in self.kprobe_fds.values():
            for held in programs.values():
                Quota.held -= 1
                if isinstance(held, _Member):
                    groups[id(held.group)] = held.group
                else:
                    yield held
        yield from groups.values()
        self.kprobe_fds.clear()

    def close(self) -> None:
        """Close programs and maps; what is attached stays attached."""
        for each in self._multis.values():
            each.close()
        self._multis.clear()
        super().close()


def _event_name(kind: _Event, event: bytes) -> bytes:
    return kind.prefix + event.translate(_REPLACED)


def _refused(kind: _Event, fn_name: bytes, where: str, error: SyscastError | None) -> Exception:
    text = f"Failed to attach BPF program {fn_name!r} to {kind.word} {where}, {NOT_TRACEABLE}"
    made = failure(text)
    if error is not None:
        made.add_note(str(error))
    return made
