"""Patterns to targets: which functions, system calls or tracepoints a pattern means on this machine.

What matches and cannot be attached to is told with the reason, as far as that is known before
trying. Functions come from the kernel's symbols, with their addresses, so that copies that the compiler
made (``tcp_ack.isra.0``) and functions of one name are all found.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.types import Func
from syscast.errors import KernelError, NotSupportedError, TargetError, UsageError
from syscast.link.many import Refused
from syscast.probes import names, registers, syscall_table
from syscast.probes.kind import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.probes.kind import Whom
    from syscast.probes.names import Name
    from syscast.symbols.kallsyms import Kallsyms, Symbol

MOST = 10_000
"""Functions that one pattern may mean: more slow the whole machine down."""
_MOST_TRACEPOINTS = 200
_SAID = frozenset({"fentry", "fexit", "kprobe", "kretprobe", "uretprobe"})
_FUNCTION_KINDS = frozenset({"kprobe", "kretprobe", "fentry", "fexit", names.FUNCTION})
_SCOPED = frozenset({"function", "uprobe"})
_COLD = re.compile(r"\.cold\b")
_PLACES = range(0, 20, 4)
"""Bytes from a function's entry to where ftrace can be: behind ENDBR, BTI and instructions that arm64 keeps for it."""
_NEAR = 2
_NARROW = 0x100
_COMMON = 3
"""Names that must begin alike before a pattern of them is offered."""


class Found(Record):
    """One target.

    Attributes:
        name: As the kernel says it; of tracepoints with the category.
        module: The module it is in; ``""`` for the kernel itself. Of user space: the file.
        address: Of a function's entry, 0 where addresses are hidden. Of user space: its place in the file.
    """

    name: str
    module: str = ""
    address: int = 0


class Match(Record):
    """What a pattern means.

    Attributes:
        text: As the user wrote it.
        sort: ``function``, ``syscall``, ``tracepoint``, ``raw_tracepoint`` or ``uprobe``.
        kind: What the user asked to attach by, ``""`` if he did not say.
        found: The targets, by name.
        skipped: What matches and cannot be attached to.
    """

    text: str
    sort: str
    kind: str
    found: tuple[Found, ...]
    skipped: tuple[Refused, ...] = ()

    def target(self, found: Found) -> str:
        """As a target string for one of them."""
        scope = f"{found.module}:" if found.module and self.sort in _SCOPED else ""
        return f"{self.kind or self.sort}:{scope}{found.name}"


def match(text: str, whom: Whom = NOBODY) -> Match:
    """Find what a pattern means: functions, else system calls, else tracepoints; or what it says.

    Args:
        text: ``tcp_*``, ``syscall:*``, ``sched:*``, ``tracepoint:net:*``, ``kprobe:vfs_*``,
            ``nf_tables:nft_*``, ``uprobe:/bin/bash:read*``.
        whom: Whose files are meant, of patterns in user space.

    Raises:
        TargetError: Nothing matches, or nothing that could be attached to.
        UsageError: It matches too much.
        NotSupportedError: The kernel's symbols cannot be read.
    """
    name = names.parse(text)
    if name.kind in names.SAMPLES or name.kind == "usdt":
        what = "marks" if name.kind == "usdt" else "samples"
        raise UsageError(f"pattern '{text}': look up: {what} are named one by one (syscast list)")
    for sort in _sorts(name):
        found, skipped = _user_functions(name, whom) if sort == "uprobe" else _FINDERS[sort](name)
        if not found and not skipped:
            continue
        if not found:
            raise TargetError(
                f"pattern '{text}': attach: none of the {len(skipped)} that match can be traced "
                f"({skipped[0].name}: {skipped[0].reason})"
            )
        most = MOST if sort in {"function", "syscall", "uprobe"} else _MOST_TRACEPOINTS
        if len(found) > most:
            raise UsageError(
                f"pattern '{text}': attach: it means {len(found)} {sort}s, and {most} are the most "
                "(say more of the name)"
            )
        kind = name.kind if name.kind in _SAID else ""
        return Match(text, _sort_found(sort, found), kind, tuple(found), tuple(skipped))
    raise TargetError(f"pattern '{text}': look up: nothing matches", _near(name))


def _sort_found(sort: str, found: Iterable[Found]) -> str:
    """Tracepoints without a category are raw ones."""
    if sort == "tracepoint" and any(":" not in each.name for each in found):
        return "raw_tracepoint"
    return sort


def _sorts(name: Name) -> tuple[str, ...]:
    """The sorts of targets that a pattern may mean, in the order in which they are looked for."""
    if name.kind in _FUNCTION_KINDS:
        return ("function",)
    if name.kind in names.USER_KINDS:
        return ("uprobe",)
    if name.kind:
        return (name.kind,)
    if name.scope:
        from syscast.btf import source  # noqa: PLC0415  # reads a directory

        return ("function",) if name.scope in source.modules() else ("tracepoint",)
    return "function", "syscall", "tracepoint"


def expression(pattern: str) -> str:
    """A shell pattern as a regular expression for a whole name, without white space or NUL.

    Raises:
        UsageError: A range in brackets runs backwards.
    """
    made = "".join(_expression(part) for part in _PARTS.findall(pattern))
    try:
        re.compile(made)
    except re.error as error:
        raise UsageError(f"pattern '{pattern}': read: {error.msg}") from None
    return made


_PARTS = re.compile(r"\[!?\]?[^]]*\]|.", re.DOTALL)


def _expression(part: str) -> str:
    if part == "*":
        return r"[^\s\0]*"
    if part == "?":
        return r"[^\s\0]"
    if len(part) == 1:
        return re.escape(part)
    inner = _RANGES.sub(_range, part[1:-1].removeprefix("!"))
    return f"[^{inner}\\s\\0]" if part.startswith("[!") else f"[{inner}]"


_RANGES = re.compile(r"(.)-(.)|(.)", re.DOTALL)


def _range(found: re.Match[str]) -> str:
    """A range or a character inside brackets; the two ends may be anything."""
    return "-".join(
        f"\\x{ord(each):02x}" if ord(each) < _NARROW else re.escape(each)
        for each in found.groups()
        if each is not None
    )


# ---------------------------------------------------------------- functions


def _functions(name: Name) -> tuple[list[Found], list[Refused]]:
    from syscast.symbols import kallsyms  # noqa: PLC0415  # reads all symbols

    pattern = expression(name.name)
    try:
        table = kallsyms.kernel()
    except OSError as error:
        raise NotSupportedError(
            f"pattern '{name.scoped}': look up: /proc/kallsyms: {error.strerror}"
        ) from None
    symbols = table.matching(pattern, name.scope or None)
    hindered = _Hindrances(table)
    found: list[Found] = []
    skipped: list[Refused] = []
    by_address: dict[int, str] = {}
    for symbol in sorted(symbols, key=lambda each: (each.name, each.address)):
        if _COLD.search(symbol.name):
            continue  # a function's rare paths, nothing that is called
        why = hindered.why(symbol)
        if not why and symbol.address in by_address:
            why = f"it is another name of {by_address[symbol.address]}"
        if why:
            skipped.append(Refused(symbol.name, why))
            continue
        if symbol.address:
            by_address[symbol.address] = symbol.name
        found.append(Found(symbol.name, symbol.module, symbol.address))
    if not name.scope:
        skipped += _inlined(pattern, {each.name.partition(".")[0] for each in symbols})
    return found, skipped


class _Hindrances:
    """What is known to speak against a function before it is tried."""

    def __init__(self, table: Kallsyms) -> None:
        from syscast.symbols import traceable  # noqa: PLC0415  # reads long lists

        self._places = traceable.places()
        listed = traceable.functions() if self._places is None else None
        self._listed = frozenset(listed) if listed is not None else None
        self._blacklist = traceable.blacklist() or frozenset()
        ends = [each.address for name in ("_sinittext", "_einittext") for each in table.find(name)]
        self._init = range(min(ends), max(ends)) if len(ends) == 2 and all(ends) else range(0)

    def why(self, symbol: Symbol) -> str:
        """The reason; ``""`` where nothing is known."""
        if symbol.name in self._blacklist:
            return "the kernel forbids probes in it, as tracing itself uses it (kprobes blacklist)"
        if symbol.address in self._init:
            return "its code was freed after the boot (__init)"
        known = self._places
        if known is not None and symbol.address:
            hidden = all(symbol.address + distance not in known for distance in _PLACES)
        else:
            hidden = self._listed is not None and symbol.name not in self._listed
        if hidden:
            return "it is compiled without tracing (notrace, or not in available_filter_functions)"
        return ""


def _inlined(pattern: str, with_code: set[str]) -> list[Refused]:
    """Functions that BTF knows and that have no code of their own."""
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    return [
        Refused(name, "it is inlined into all its callers")
        for name in source.kernel().names_like(pattern, Func, with_code)
    ]


# ---------------------------------------------------------------- the others


def _syscalls(name: Name) -> tuple[list[Found], list[Refused]]:
    matches = re.compile(expression(name.name)).fullmatch
    known = syscall_table.every(registers.here().machine)
    return [Found(each.name) for each in known if matches(each.name)], []


def _tracepoints(name: Name) -> tuple[list[Found], list[Refused]]:
    from syscast.kernel import tracefs  # noqa: PLC0415  # only tracepoints

    matches = re.compile(expression(name.name)).fullmatch
    in_scope = re.compile(expression(name.scope or "*")).fullmatch
    try:
        events = sorted(tracefs.events())
    except KernelError:
        if name.scope:
            raise
        return _raw_tracepoints(name)
    return [
        Found(f"{category}:{event}")
        for category, event in events
        if matches(event) and in_scope(category) and (name.scope or category != "syscalls")
    ], []


def _raw_tracepoints(name: Name) -> tuple[list[Found], list[Refused]]:
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types
    from syscast.probes.raw_tracepoint import tracepoints  # noqa: PLC0415  # only without tracefs

    matches = re.compile(expression(name.name)).fullmatch
    found = sorted(set(tracepoints(source.kernel())))
    return [Found(each) for each in found if matches(each)], []


def _user_functions(name: Name, whom: Whom) -> tuple[list[Found], list[Refused]]:
    """Functions of a program or library, one for each place."""
    from syscast.symbols import binary, libraries, processmaps  # noqa: PLC0415  (user space only)

    matches = re.compile(expression(name.name)).fullmatch
    path = libraries.find(name.scope, whom.pid)
    code = binary.read(path)
    file = processmaps.seen_inside(path)
    found: list[Found] = []
    skipped: list[Refused] = []
    seen: set[int] = set()
    for each in sorted(code.functions(), key=lambda each: (each.local, each.name)):
        offset = code.file_offset(each.address)
        if not matches(each.name) or offset is None:
            continue
        if each.address in seen:
            continue  # another name, or another version's, of the same function
        seen.add(each.address)
        if each.chosen:
            why = "it only chooses a function when a program starts (ifunc)"
            skipped.append(Refused(each.name, why))
            continue
        found.append(Found(each.name, file, offset))
    return found, skipped


_FINDERS = {
    "function": _functions,
    "syscall": _syscalls,
    "tracepoint": _tracepoints,
    "raw_tracepoint": _raw_tracepoints,
}


def _near(name: Name) -> list[str]:
    """Patterns that mean something and look alike: ``tcp_*`` for ``tpc_*``."""
    from collections import Counter  # noqa: PLC0415  # only errors need it
    from difflib import get_close_matches  # noqa: PLC0415

    from syscast.btf import source  # noqa: PLC0415

    stem = re.split(r"[*?\[]", name.name)[0]
    head = stem.partition("_")[0]
    if not head:
        return []
    if name.kind in names.USER_KINDS:
        return []
    if name.kind == "syscall":
        known = [each.name for each in syscall_table.every(registers.here().machine)]
        return [f"syscall:{near}" for near in get_close_matches(stem, known, _NEAR)]
    starts = Counter(each.partition("_")[0] for each in source.kernel().names(Func))
    common = [start for start, count in starts.items() if count >= _COMMON and start]
    near = get_close_matches(head, common, len(common))
    # Letters that changed places first, then what many functions begin with.
    near.sort(key=lambda each: (sorted(each) != sorted(head), -starts[each]))
    return [f"{each}_*" for each in near[:_NEAR]]
