"""uprobes and uretprobes: by library and function, by address, by regular expression."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Self

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.constants import BPFProgType
from syscast.bcc.failures import failure
from syscast.bcc.programs import Closable, Programs, Quota
from syscast.bcc.userplaces import UserPlace, functions_and_addresses, place_of
from syscast.errors import SyscastError
from syscast.link.uprobe import attach_uprobe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.bcc.module import Module

_NOT_A_NAME = re.compile(rb"[^a-zA-Z0-9_]")
_ENTRY = b"p"
_RETURN = b"r"


class Uprobes(Programs):
    """What `BPF` knows of uprobes.

    Attributes:
        uprobe_fds: What is attached, by the event's name (``p_PATH_0xOFFSET``).
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.uprobe_fds: dict[bytes, Closable] = {}

    def attach_uprobe(
        self,
        name: Name = b"",
        sym: Name = b"",
        sym_re: Name = b"",
        addr: int | None = None,
        fn_name: Name = b"",
        pid: int = -1,
        sym_off: int = 0,
    ) -> Self:
        """Run a program at a function of a library or program.

        Args:
            name: ``c``, ``/bin/bash`` and so on.
            sym: The function, or
            sym_re: an expression for all of its functions' names, or
            addr: an address as the file's own tables have it.
            fn_name: The program.
            pid: Only this process.
            sym_off: Bytes behind the function's start.

        Raises:
            Exception: As bcc's.
        """
        return self._attach_uprobe(
            _ENTRY, (as_bytes(name), as_bytes(sym), addr, sym_off), sym_re, fn_name, pid
        )

    def attach_uretprobe(
        self,
        name: Name = b"",
        sym: Name = b"",
        sym_re: Name = b"",
        addr: int | None = None,
        fn_name: Name = b"",
        pid: int = -1,
    ) -> Self:
        """Run a program when a function of a library or program returns; as `attach_uprobe`."""
        return self._attach_uprobe(
            _RETURN, (as_bytes(name), as_bytes(sym), addr, 0), sym_re, fn_name, pid
        )

    def _attach_uprobe(
        self,
        form: bytes,
        where: tuple[bytes, bytes, int | None, int],
        sym_re: Name,
        fn_name: Name,
        pid: int,
    ) -> Self:
        name, sym, addr, offset = where
        if as_bytes(sym_re):
            addresses = {found for _, found in functions_and_addresses(name, sym_re)}
            Quota.check(len(addresses))
            for each in sorted(addresses):
                self._attach_uprobe(form, (name, b"", each, 0), b"", fn_name, pid)
            return self
        if addr is not None and offset:
            raise failure("offset with addr is not supported")
        place = place_of(name, sym, addr, pid, offset)
        self.attach_place(form, place, as_bytes(fn_name), pid)
        symbol = os.fsdecode(sym) + (f"+{offset}" if offset else "")
        at = f"0x{addr:x}" if addr is not None else symbol
        self.note(
            as_bytes(fn_name),
            "uprobe" if form == _ENTRY else "uretprobe",
            f"{place.path}:{at}",
            f"only in process {pid}" if pid >= 0 else "",
        )
        return self

    def attach_place(
        self, form: bytes, place: UserPlace, fn_name: bytes, pid: int = -1, reference: int = 0
    ) -> None:
        """Run a program at a byte of a file.

        Args:
            form: ``p`` for the place itself, ``r`` for the return of the function there.
            place: The byte.
            fn_name: The program.
            pid: Only this process; -1 for all.
            reference: Byte in the file of a USDT probe's semaphore, or 0.

        Raises:
            Exception: As bcc's.
        """
        Quota.check(1)
        function = self.load_func(fn_name, BPFProgType.KPROBE)
        try:
            link = attach_uprobe(
                function.program,
                place.path,
                place.offset,
                pid=pid,
                on_return=form == _RETURN,
                reference=reference,
            )
        except SyscastError as error:
            word = "uretprobe" if form == _RETURN else "uprobe"
            refused = failure(f"Failed to attach BPF to {word}")
            refused.add_note(str(error))
            raise refused from None
        event = event_name(form, place, pid)
        old = self.uprobe_fds.pop(event, None)
        if old is not None:
            old.close()
            Quota.held -= 1
        self.uprobe_fds[event] = link
        Quota.held += 1

    def detach_uprobe_event(self, ev_name: Name) -> None:
        """Detach an event by its name in the books; raises Exception: not attached."""
        name = as_bytes(ev_name)
        if name not in self.uprobe_fds:
            raise failure(f"Uprobe {name!r} is not attached")
        self.uprobe_fds.pop(name).close()
        Quota.held -= 1

    def detach_uprobe(
        self,
        name: Name = b"",
        sym: Name = b"",
        addr: int | None = None,
        pid: int = -1,
        sym_off: int = 0,
    ) -> None:
        """Undo `attach_uprobe` with the same arguments; raises Exception: not attached."""
        place = place_of(as_bytes(name), as_bytes(sym), addr, pid, sym_off)
        self.detach_uprobe_event(event_name(_ENTRY, place, pid))

    def detach_uretprobe(
        self, name: Name = b"", sym: Name = b"", addr: int | None = None, pid: int = -1
    ) -> None:
        """Undo `attach_uretprobe` with the same arguments; raises Exception: not attached."""
        place = place_of(as_bytes(name), as_bytes(sym), addr, pid, 0)
        self.detach_uprobe_event(event_name(_RETURN, place, pid))

    def num_open_uprobes(self) -> int:
        """Places with a probe."""
        return len(self.uprobe_fds)

    def _drop_uprobes(self) -> Iterator[Closable]:
        """Forget all of them, for a caller that closes them."""
        Quota.held -= len(self.uprobe_fds)
        yield from self.uprobe_fds.values()
        self.uprobe_fds.clear()


def event_name(form: bytes, place: UserPlace, pid: int) -> bytes:
    """What a probe is called in the books."""
    path = _NOT_A_NAME.sub(b"_", place.path.encode("utf-8", "surrogateescape"))
    process = b"" if pid < 0 else b"_%d" % pid
    return b"%s_%s_0x%x%s" % (form, path, place.offset, process)
