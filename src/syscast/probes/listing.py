"""Everything that can be traced here, by pattern: functions, tracepoints, system calls."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from syscast.btf.record import Record
from syscast.btf.render import signature
from syscast.btf.types import Func
from syscast.errors import KernelError, SyscastError, UsageError
from syscast.kernel import tracefs
from syscast.probes import names, registers, registry, syscall_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syscast.btf.lookup import Btf

SORTS = ("function", "tracepoint", "syscall")
_SORT_OF = {
    "tracepoint": "tracepoint",
    "raw_tracepoint": "tracepoint",
    "syscall": "syscall",
    "software": "sample",
    "hardware": "sample",
    "iter": "table",
}
_SCOPED = frozenset({"function", "uprobe", "usdt"})
_SYSCALL_EVENTS = "syscalls"


class Entry(Record):
    """One thing to trace.

    Attributes:
        kind: ``function``, ``tracepoint``, ``raw_tracepoint`` (where tracefs is out of reach),
            ``syscall``, ``uprobe``, ``usdt``, ``software``,
            ``hardware`` or ``iter``.
        name: As a target string takes it, without the kind.
        module: The module it is in; ``""`` for the kernel itself. Of user space: the file.
        types: The BTF that declares it.
    """

    kind: str
    name: str
    module: str
    types: Btf

    @property
    def target(self) -> str:
        """As a target string that means this and nothing else."""
        scope = f"{self.module}:" if self.module and self.kind in _SCOPED else ""
        return f"{self.kind}:{scope}{self.name}"

    @property
    def signature(self) -> str:
        """As C would declare it; made when asked for. ``""`` where it cannot be told."""
        try:
            if self.kind == "uprobe":
                return ""  # a file does not tell
            if self.kind == "function":
                return signature(self.types, self.types.function(self.name)[0])
            scoped = f"{self.module}:{self.name}" if self.kind == "usdt" else self.name
            return registry.get(self.kind).resolve(scoped, self.types).signature
        except SyscastError:
            return ""


def targets(pattern: str = "*", *, types: Btf | None = None) -> Iterator[Entry]:
    """What can be traced on this machine and matches, functions first, each sort by name.

    Args:
        pattern: Shell wildcards (``tcp_*``); without any, a part of the name. A kind before a colon
            takes that kind only: ``syscall:open*``, ``tracepoint:sched:*``; functions of a program or
            library are listed only so: ``uprobe:/bin/bash:read*``.
        types: The kernel's BTF; the running kernel's by default.

    Raises:
        UsageError: An empty pattern.
        NotSupportedError: The kernel has no BTF.
    """
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    if names.in_user_space(pattern):
        yield from _user_functions(pattern, types)
        return
    sorts, matches = _read(pattern)
    kernel = types if types is not None else source.kernel()
    if "function" in sorts:
        yield from _functions(matches, kernel)
    if "tracepoint" in sorts:
        yield from _tracepoints(matches, kernel)
    if "syscall" in sorts:
        yield from _syscalls(matches, kernel)
    if "table" in sorts:
        yield from _tables(matches)
    if "sample" in sorts:
        yield from _samples(pattern, matches, kernel)


def _read(pattern: str) -> tuple[tuple[str, ...], Callable[[str], bool]]:
    """The sorts that are meant, and whether a name matches."""
    text = pattern.strip()
    kind, colon, rest = text.partition(":")
    sorts: tuple[str, ...] = SORTS
    if colon and kind in names.ALIASES:
        sorts = (_SORT_OF.get(names.ALIASES[kind], "function"),)
        text = rest
    if not text:
        raise UsageError(f"pattern '{pattern}': read: it is empty")
    wild = text if set(text) & set("*?[") else f"*{text}*"
    found = re.compile(translate(wild)).match
    return sorts, lambda name: found(name) is not None


def _functions(matches: Callable[[str], bool], kernel: Btf) -> Iterator[Entry]:
    from syscast.btf import source  # noqa: PLC0415  # reads the kernel's types

    with_code = _with_code()
    for name in sorted(set(kernel.names(Func))):
        if matches(name) and name in with_code:
            yield Entry("function", name, "", kernel)
    if kernel is not source.kernel():
        return
    for module_name in source.modules():
        module = source.module(module_name)
        own = sorted({str(getattr(module.type(each), "name", "")) for each in module.ids(Func)})
        for name in own:
            if name in with_code and (matches(name) or matches(f"{module_name}:{name}")):
                yield Entry("function", name, module_name, module)


def _with_code() -> frozenset[str]:
    """Functions that can be traced, by ftrace's list; else those that have a symbol."""
    from syscast.symbols import kallsyms, traceable  # noqa: PLC0415  # reads long lists

    listed = traceable.functions()
    return frozenset(listed if listed is not None else kallsyms.kernel().functions())


def _tracepoints(matches: Callable[[str], bool], kernel: Btf) -> Iterator[Entry]:
    try:
        found = sorted(event for event in tracefs.events() if event[0] != _SYSCALL_EVENTS)
    except KernelError:
        yield from _raw_tracepoints(matches, kernel)
        return
    for category, name in found:
        if matches(f"{category}:{name}") or matches(name):
            yield Entry("tracepoint", f"{category}:{name}", "", kernel)


def _raw_tracepoints(matches: Callable[[str], bool], kernel: Btf) -> Iterator[Entry]:
    from syscast.probes.raw_tracepoint import tracepoints  # noqa: PLC0415  # only without tracefs

    for name in sorted(set(tracepoints(kernel))):
        if matches(name):
            yield Entry("raw_tracepoint", name, "", kernel)


def _tables(matches: Callable[[str], bool]) -> Iterator[Entry]:
    from syscast.probes import iterator  # noqa: PLC0415  (only when asked for)

    for name, found in iterator.every():
        if matches(name):
            yield Entry("iter", name, "", found)


def _samples(pattern: str, matches: Callable[[str], bool], kernel: Btf) -> Iterator[Entry]:
    from syscast.probes import perf_event  # noqa: PLC0415  (only when asked for)

    kind = names.ALIASES[pattern.strip().partition(":")[0]]
    table = perf_event.SOFTWARE if kind == "software" else perf_event.HARDWARE
    for name in table:
        if matches(name):
            yield Entry(kind, name, "", kernel)


def _user_functions(pattern: str, types: Btf | None) -> Iterator[Entry]:
    from syscast.btf import source  # noqa: PLC0415  (reads the kernel's types)
    from syscast.probes import matching  # noqa: PLC0415

    if names.ALIASES[pattern.strip().partition(":")[0]] == "usdt":
        yield from _marks(pattern.strip().partition(":")[2], types or source.kernel())
        return
    name = names.parse(pattern if pattern.count(":") > 1 else f"{pattern}:*")
    wild = name.name if names.is_pattern(name.name) else f"*{name.name}*"
    kernel = types if types is not None else source.kernel()
    for found in matching.match(f"{name.kind}:{name.scope}:{wild}").found:
        yield Entry("uprobe", found.name, found.module, kernel)


def _marks(text: str, kernel: Btf) -> Iterator[Entry]:
    """USDT probes of a file: ``FILE``, ``FILE:PATTERN`` or ``FILE:PROVIDER:PATTERN``."""
    from syscast.symbols import libraries, processmaps, stapsdt  # noqa: PLC0415  (only for these)

    file, _, wanted = text.partition(":")
    path = libraries.find(file)
    wild = wanted if set(wanted) & set("*?[") else f"*{wanted}*"
    found = re.compile(translate(wild)).match
    for each in stapsdt.probes(path):
        if found(each.name) or found(f"{each.provider}:{each.name}"):
            module = f"{processmaps.seen_inside(path)}:{each.provider}"
            yield Entry("usdt", each.name, module, kernel)


def _syscalls(matches: Callable[[str], bool], kernel: Btf) -> Iterator[Entry]:
    kind = registry.get("syscall")
    for each in sorted(syscall_table.every(registers.here().machine), key=lambda each: each.name):
        if not matches(each.name):
            continue
        try:
            kind.resolve(each.name, kernel)
        except SyscastError:
            continue
        yield Entry("syscall", each.name, "", kernel)
