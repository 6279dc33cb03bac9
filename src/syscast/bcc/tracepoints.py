"""Tracepoints, through tracefs and perf events, and raw tracepoints."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Self

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.constants import BPFProgType
from syscast.bcc.failures import failure
from syscast.bcc.programs import Closable, Programs, Quota
from syscast.errors import SyscastError
from syscast.kernel import perf, tracefs
from syscast.link.perf_event import PerfEventLink
from syscast.link.tracing import RawTracepointLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.bcc.module import Module

TRACEFS = tracefs.find_root() or "/sys/kernel/tracing"
"""Where tracefs is mounted, or would be."""


def matching(tp_re: Name) -> list[bytes]:
    """Tracepoints, as ``category:event``, whose names start with what an expression matches.

    Raises:
        NotSupportedError: tracefs is not mounted.
    """
    pattern = re.compile(as_bytes(tp_re))
    every = (os.fsencode(f"{category}:{event}") for category, event in tracefs.events())
    return sorted(name for name in every if pattern.match(name))


def exists(category: Name, event: Name) -> bool:
    """Whether the kernel has a tracepoint; no, where tracefs cannot be read."""
    try:
        root = tracefs.root()
    except SyscastError:
        return False
    first, second = os.fsdecode(as_bytes(category)), os.fsdecode(as_bytes(event))
    return os.path.isdir(f"{root}/events/{first}/{second}")  # noqa: PTH112 - pathlib costs 5 ms


class Tracepoints(Programs):
    """What `BPF` knows of tracepoints.

    Attributes:
        tracepoint_fds: What is attached, by ``category:event``.
        raw_tracepoint_fds: Likewise, by the event's name alone.
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.tracepoint_fds: dict[bytes, Closable] = {}
        self.raw_tracepoint_fds: dict[bytes, Closable] = {}

    def attach_tracepoint(self, tp: Name = b"", tp_re: Name = b"", fn_name: Name = b"") -> Self:
        """Run a program at a tracepoint, or at all that an expression matches.

        Raises:
            Exception: As bcc's.
        """
        name, program = as_bytes(tp), as_bytes(fn_name)
        if as_bytes(tp_re):
            for each in matching(tp_re):
                self.attach_tracepoint(tp=each, fn_name=program)
            return self
        function = self.load_func(program, BPFProgType.TRACEPOINT)
        category, _, event = os.fsdecode(name).partition(":")
        try:
            point = perf.open_tracepoint(tracefs.event_id(category, event), f"{category}:{event}")
            link = PerfEventLink.attach(function.program, point, f"tracepoint on {name!r}")
        except SyscastError as error:
            refused = failure(f"Failed to attach BPF program {program!r} to tracepoint {name!r}")
            refused.add_note(str(error))
            raise refused from None
        self._replace(self.tracepoint_fds, name, link)
        self.note(program, "tracepoint", os.fsdecode(name))
        return self

    def detach_tracepoint(self, tp: Name = b"") -> None:
        """Detach from a tracepoint; raises Exception: not attached."""
        name = as_bytes(tp)
        if name not in self.tracepoint_fds:
            raise failure(f"Tracepoint {name!r} is not attached")
        self.tracepoint_fds.pop(name).close()
        Quota.held -= 1

    def attach_raw_tracepoint(self, tp: Name = b"", fn_name: Name = b"") -> Self:
        """Run a program at a raw tracepoint.

        Raises:
            Exception: As bcc's.
        """
        name, program = as_bytes(tp), as_bytes(fn_name)
        if name in self.raw_tracepoint_fds:
            raise failure(f"Raw tracepoint {name!r} has been attached")
        function = self.load_func(program, BPFProgType.RAW_TRACEPOINT)
        try:
            link = RawTracepointLink.attach(function.program, os.fsdecode(name))
        except SyscastError as error:
            refused = failure("Failed to attach BPF to raw tracepoint")
            refused.add_note(str(error))
            raise refused from None
        self._replace(self.raw_tracepoint_fds, name, link)
        self.note(program, "raw_tracepoint", os.fsdecode(name))
        return self

    def detach_raw_tracepoint(self, tp: Name = b"") -> None:
        """Detach from a raw tracepoint; raises Exception: not attached."""
        name = as_bytes(tp)
        if name not in self.raw_tracepoint_fds:
            raise failure(f"Raw tracepoint {name!r} is not attached")
        self.raw_tracepoint_fds.pop(name).close()
        Quota.held -= 1

    def num_open_tracepoints(self) -> int:
        """Tracepoints with a program, without the raw ones."""
        return len(self.tracepoint_fds)

    @staticmethod
    def _replace(held: dict[bytes, Closable], name: bytes, link: Closable) -> None:
        old = held.pop(name, None)
        if old is not None:
            old.close()
            Quota.held -= 1
        held[name] = link
        Quota.held += 1

    def _drop_tracepoints(self) -> Iterator[Closable]:
        """Forget all of them, for a caller that closes them."""
        for held in (self.tracepoint_fds, self.raw_tracepoint_fds):
            Quota.held -= len(held)
            yield from held.values()
            held.clear()
