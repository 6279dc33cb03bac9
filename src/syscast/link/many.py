"""One program on many kernel functions, each attachment with a number that the program can ask for.

By one kprobe.multi link where the kernel has it, else by a perf event for each function. What the
kernel refuses is left out and remembered with the reason; the rest runs.

kprobe.multi takes all or none. So a refused list is halved until the refused ones stand alone, and each
part that the kernel takes becomes a link of its own: n functions with k refused ones need about
k * log2(n) tries, all but the links themselves without touching code.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Self

from syscast.errors import KernelError, PermissionDeniedError
from syscast.kernel import bpflinks, perf
from syscast.link.owned import OwnedLink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syscast.kernel.descriptors import Fd

_GIVE_UP = 64
"""Refused functions after which a list is taken apart no further: each costs several tries."""
_SPARE_FILES = 64
_ONE_BY_ONE = 8
_CLOSERS = 16
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class Place(NamedTuple):
    """Where to attach, and the number that the program then sees.

    Attributes:
        name: Of the function.
        address: Of its entry; 0 to find it by name.
        cookie: Not 0.
    """

    name: str
    address: int
    cookie: int


class FilePlace(NamedTuple):
    """A function of a program or library.

    Attributes:
        name: With the file's.
        path: The file.
        offset: Of the entry in the file, bytes.
        cookie: Not 0; no two of a list have the same.
    """

    name: str
    path: str
    offset: int
    cookie: int


class Refused(NamedTuple):
    """What was left out, and why."""

    name: str
    reason: str


def reason(text: str) -> str:
    """A message without its subject and act: what is behind the last colon outside of parentheses."""
    depth, start = 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth and text.startswith(": ", at):
            start = at + 2
    return text[start:]


class ManyLink(OwnedLink):
    """Base of both forms.

    Attributes:
        refused: The functions that the kernel would not take.
    """

    def __init__(
        self, fds: tuple[Fd, ...], program: Fd, text: str, refused: tuple[Refused, ...]
    ) -> None:
        super().__init__(fds, program, text)
        self.refused = refused

    def missed(self) -> int | None:
        """Hits that the kernel left out at any of the functions; None where it does not count."""
        from syscast.kernel import bpfinfo  # noqa: PLC0415 - 2 ms, and not to attach

        total = 0
        for fd in self._fds:
            lost = bpfinfo.link_info(fd).missed
            if lost is None:
                return None
            total += lost
        return total + (bpfinfo.prog_info(self._program).recursion_misses or 0)


class KprobeMultiLinks(ManyLink):
    """As few kprobe.multi links as the kernel's refusals allow, mostly one."""

    @classmethod
    def attach(
        cls, program: Fd, places: Sequence[Place], *, on_return: bool, label: str
    ) -> KprobeMultiLinks:
        """Attach.

        Args:
            program: Loaded with attach type ``trace_kprobe_multi``.
            places: All with addresses, or all without.
            on_return: At the return instead of the entry.
            label: What the user called them all, for people.

        Raises:
            KernelError: The kernel takes none of them.
        """
        state = _Halving(program, on_return=on_return)
        try:
            state.take(list(places))
        except BaseException:
            for link in state.links:
                link.close()
            raise
        if not state.links:
            raise state.error or KernelError(f"functions '{label}': attach: there is none")
        form = "kretprobe.multi" if on_return else "kprobe.multi"
        number = len(places) - len(state.refused)
        text = f"{form} on {label} ({number} functions)"
        return cls(tuple(state.links), program, text, tuple(state.refused))


class _Halving:
    """Finds which places the kernel takes."""

    def __init__(self, program: Fd, *, on_return: bool) -> None:
        self._program = program
        self._on_return = on_return
        self.links: list[Fd] = []
        self.refused: list[Refused] = []
        self.error: KernelError | None = None
        self._sorted = False

    def take(self, places: list[Place]) -> None:
        """Attach to all of them, or to halves."""
        if not places:
            return
        by_address = all(place.address for place in places)
        try:
            link = bpflinks.link_kprobe_multi(
                self._program,
                symbols=() if by_address else [place.name for place in places],
                addresses=[place.address for place in places] if by_address else (),
                cookies=[place.cookie for place in places],
                on_return=self._on_return,
            )
        except PermissionDeniedError:
            raise
        except KernelError as error:
            if error.errno in _SCARCE:
                raise
            self.error = error
        else:
            self.links.append(link)
            return
        if len(places) == 1 or len(self.refused) >= _GIVE_UP:
            reason = _words(self.error)
            self.refused += [Refused(place.name, reason) for place in places]
            return
        at = self._border(places)
        if not 0 < at < len(places):
            at = len(places) // 2
        self.take(places[:at])
        self.take(places[at:])

    def _border(self, places: list[Place]) -> int:
        """How many names of the whole list are the only ones of their kind.

        Of functions with one name some may be traceable and others not, which the kernel's list of
        names does not tell. So these are taken apart from the rest, which then is one link.
        """
        if self._sorted:
            return 0
        self._sorted = True
        counts = Counter(place.name for place in places)
        places.sort(key=lambda place: counts[place.name] > 1)
        return sum(count for count in counts.values() if count == 1)


class EachLinks(ManyLink):
    """A perf event for each function, all with one program."""

    @classmethod
    def take(
        cls, program: Fd, places: Sequence[Place], opened: Callable[[Place], Fd], text: str
    ) -> Self:
        """Attach.

        Where the kernel has no links for perf events, programs get no number: they tell the
        functions by the instruction pointer.

        Args:
            program: A kprobe program.
            places: The functions.
            opened: Makes the event of one.
            text: How and where, for people.

        Raises:
            KernelError: The kernel takes none of them, or the limit of open files is reached.
        """
        from syscast.kernel import host  # noqa: PLC0415 - for many only

        host.raise_open_files(len(places) + _SPARE_FILES + _open_files())
        fds: list[Fd] = []
        linked = False
        refused: list[Refused] = []
        failure: KernelError | None = None
        try:
            for place in places:
                try:
                    fd, linked = _attach_one(program, opened(place), place.cookie)
                    fds.append(fd)
                except PermissionDeniedError:
                    raise
                except KernelError as error:
                    if error.errno in _SCARCE:
                        raise
                    failure = error
                    refused.append(Refused(place.name, _words(error)))
        except BaseException:
            _close_all(fds)
            raise
        if not fds:
            raise failure or KernelError(f"{text}: attach: there is none")
        made = cls(tuple(fds), program, f"{text} ({len(fds)} functions)", tuple(refused))
        made._linked = linked
        return made

    _linked = True

    def close(self) -> None:
        """Detach, from several threads: each closing waits for the kernel's grace periods."""
        fds, self._fds = self._fds, ()
        _close_all(fds)

    def missed(self) -> int | None:
        """As of the base; None where the attachments are no links."""
        return super().missed() if self._linked else None


class KprobeEachLinks(EachLinks):
    """Kprobes at kernel functions."""

    @classmethod
    def attach(
        cls, program: Fd, places: Sequence[Place], *, on_return: bool, label: str
    ) -> KprobeEachLinks:
        """`take` for kernel functions.

        Args:
            program: A kprobe program.
            places: The functions.
            on_return: At the return instead of the entry.
            label: What the user called them all, for people.
        """

        def opened(place: Place) -> Fd:
            return perf.open_kprobe(place.address or place.name, on_return=on_return)

        form = "kretprobe" if on_return else "kprobe"
        return cls.take(program, places, opened, f"{form} on {label}")


class UprobeEachLinks(EachLinks):
    """Uprobes at functions of files."""

    @classmethod
    def attach(
        cls, program: Fd, places: Sequence[FilePlace], *, on_return: bool, pid: int, label: str
    ) -> UprobeEachLinks:
        """`take` for functions of files.

        Args:
            program: A kprobe program.
            places: The functions.
            on_return: At the return instead of the entry.
            pid: Only this process; -1 for all.
            label: What the user called them all, for people.
        """
        files = {each.cookie: each for each in places}

        def opened(place: Place) -> Fd:
            found = files[place.cookie]
            return perf.open_uprobe(found.path, found.offset, pid=pid, on_return=on_return)

        form = "uretprobe" if on_return else "uprobe"
        plain = [Place(each.name, each.offset, each.cookie) for each in places]
        return cls.take(program, plain, opened, f"{form} on {label}")


def _close_all(fds: Sequence[Fd]) -> None:
    """Close, many from several threads at once, which wait for the same grace periods."""
    if len(fds) <= _ONE_BY_ONE:
        for fd in fds:
            fd.close()
        return
    from threading import Thread  # noqa: PLC0415 - 2 ms, for many only

    def take_every(start: int) -> None:
        for fd in fds[start::_CLOSERS]:
            fd.close()

    threads = [Thread(target=take_every, args=(start,)) for start in range(_CLOSERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _attach_one(program: Fd, event: Fd, cookie: int) -> tuple[Fd, bool]:
    """What keeps the program at the function: a link, else the event itself; and whether a link."""
    try:
        try:
            link = bpflinks.link_perf_event(program, event, cookie)
        except KernelError as error:
            # A kernel without links for perf events takes the attach type for a wrong one.
            if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.E2BIG}:
                raise
            perf.set_bpf(event, program)
            perf.enable(event)
            return event, False
    except BaseException:
        event.close()
        raise
    try:
        perf.enable(event)
    except BaseException:
        link.close()
        raise
    finally:
        event.close()  # the link holds it
    return link, True


def _open_files() -> int:
    with os.scandir("/proc/self/fd") as entries:
        return sum(1 for _ in entries)


def _words(error: KernelError | None) -> str:
    """The kernel's refusal in a few words."""
    code = error.errno if error is not None else None
    match code:
        case errno.ESRCH | errno.ENOENT:
            return "the kernel finds no place for a probe in it"
        case errno.EINVAL:
            return "the kernel forbids probes in it"
        case errno.EADDRNOTAVAIL:
            return "several functions have this name"
        case int():
            return f"the kernel refused: {os.strerror(code).lower()}"
        case _:
            return "the kernel refused"
