"""/proc/kallsyms: every symbol of the kernel and its modules, proc(5).

The kernel formats 120,000 to 250,000 lines in 50 to 100 ms. They are read once and searched as
bytes (3 ms a name); objects are made only for what is found. Without the right to see addresses
(kernel.kptr_restrict), all of them read 0: names still serve.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from syscast.kernel.textfiles import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PATH = "/proc/kallsyms"
_FUNCTION = re.compile(rb" [tTwW] (?!__pfx_|__cfi_)([^\s.]+)(?=[\n\t])")
_ADDRESS = re.compile(rb"^(?!0{16})([0-9a-f]{16}) ", re.MULTILINE)
# Symbols of loaded BPF programs and trampolines come and go.
_NOT_MODULES = (b"[bpf]", b"[__builtin__ftrace]", b"[__builtin__kprobes]")
_COPY = re.compile(rb"\.(?:isra|constprop|part|cold|llvm|lto_priv|localalias)\b")


class Symbol(NamedTuple):
    """One line of kallsyms.

    Attributes:
        name: With the compiler's suffix, if it is a copy: ``do_it.isra.0``.
        address: Or 0 without the right to see it.
        kind: The letter of nm(1): ``T`` and ``t`` are functions, ``W`` and ``w`` weak ones.
        module: Empty for the kernel itself.
    """

    name: str
    address: int
    kind: str
    module: str

    @property
    def is_function(self) -> bool:
        """Whether it lies in code."""
        return self.kind in "tTwW"


class Kallsyms:
    """The symbols as they were when the object was made."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes of a kallsyms file."""
        self._data = data if data.endswith(b"\n") else data + b"\n"
        self._sorted: tuple[list[int], list[int]] | None = None

    @classmethod
    def read(cls) -> Kallsyms:
        """Read this machine's; raises OSError."""
        return cls(read_bytes(_PATH))

    @property
    def raw(self) -> bytes:
        """The file itself, one symbol a line."""
        return self._data

    @property
    def has_addresses(self) -> bool:
        """Whether this user may see addresses."""
        # The first ones may be offsets into per-CPU memory, which start at 0.
        lines = self._data[-4000:].splitlines()[1:]
        return any(not line.startswith(b"0000000000000000") for line in lines)

    def find(self, name: str) -> list[Symbol]:
        """All symbols of exactly this name, in the file's order."""
        wanted = b" " + name.encode("utf-8", "surrogateescape")
        found = []
        at = self._data.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if self._data[end : end + 1] in {b"\n", b"\t"}:
                found += self._line_around(at)
            at = self._data.find(wanted, end)
        return found

    def find_many(self, names: Iterable[str]) -> dict[str, list[Symbol]]:
        """As ``find`` for each; the ones without a symbol have an empty list."""
        wanted = list(names)
        if len(wanted) < 20:
            return {name: self.find(name) for name in wanted}
        # One pass over the lines is cheaper than many searches.
        result: dict[str, list[Symbol]] = {name: [] for name in wanted}
        for line in self._data.splitlines():
            fields = line.split()
            name = fields[2].decode("utf-8", "surrogateescape") if len(fields) > 2 else ""
            if name in result:
                result[name] += _symbol(line)
        return result

    def copies(self, name: str) -> list[Symbol]:
        """What the compiler made of a function: ``.isra``, ``.constprop``, ``.part``, ``.cold``."""
        wanted = b" " + name.encode("utf-8", "surrogateescape") + b"."
        found = []
        at = self._data.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if _COPY.match(self._data, end - 1):
                found += self._line_around(at)
            at = self._data.find(wanted, end)
        return found

    def functions(self) -> Iterator[str]:
        """Names of all functions, without copies; about 40 ms."""
        for found in _FUNCTION.finditer(self._data):
            yield found[1].decode("utf-8", "surrogateescape")

    def matching(self, pattern: str, module: str | None = None) -> list[Symbol]:
        """Functions whose names match, copies of the compiler's included, in the file's order.

        Args:
            pattern: A regular expression for the whole name.
            module: Only this module's; ``""`` for the kernel itself; None for all.
        """
        # Without the address, which most lines would be read for in vain.
        line = rb" ([tTwW]) (?!__pfx_|__cfi_)(" + pattern.encode() + rb")(?:\t(.*))?$"
        data = self._data
        found = []
        for each in re.finditer(line, data, re.MULTILINE):
            if each[3] in _NOT_MODULES:
                continue
            owner = (each[3] or b"").strip(b"[]").decode("ascii", "replace")
            if module is None or owner == module:
                name = each[2].decode("utf-8", "surrogateescape")
                end = each.start()
                address = data[data.rfind(b"\n", 0, end) + 1 : end]
                found.append(Symbol(name, int(address, 16), each[1].decode(), owner))
        return found

    def at(self, address: int) -> Symbol | None:
        """The symbol that an address lies in or behind; None without addresses or below all."""
        if self._sorted is None:
            pairs = sorted(
                (int(found[1], 16), found.start()) for found in _ADDRESS.finditer(self._data)
            )
            self._sorted = ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        addresses, starts = self._sorted
        index = bisect_right(addresses, address)
        if not index:
            return None
        # Of several names of one address the first in the file is as good as any.
        index = bisect_left(addresses, addresses[index - 1])
        start = starts[index]
        return next(iter(_symbol(self._data[start : self._data.index(b"\n", start)])), None)

    def _line_around(self, position: int) -> list[Symbol]:
        start = self._data.rfind(b"\n", 0, position) + 1
        return _symbol(self._data[start : self._data.index(b"\n", position)])


def _symbol(line: bytes) -> list[Symbol]:
    """The symbol of a line; none for a line of another form or of a BPF program."""
    fields = line.split()
    if not 3 <= len(fields) <= 4 or (len(fields) == 4 and fields[3] in _NOT_MODULES):
        return []
    try:
        address = int(fields[0], 16)
    except ValueError:
        return []
    module = fields[3].strip(b"[]").decode("ascii", "replace") if len(fields) == 4 else ""
    name = fields[2].decode("utf-8", "surrogateescape")
    return [Symbol(name, address, fields[1].decode("ascii", "replace"), module)]


_loaded: list[Kallsyms] = []


def kernel() -> Kallsyms:
    """This machine's symbols, read once a process; raises OSError."""
    if not _loaded:
        _loaded.append(Kallsyms.read())
    return _loaded[0]


def forget() -> None:
    """Read them again next time: modules were loaded or unloaded."""
    _loaded.clear()
