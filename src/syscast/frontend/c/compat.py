"""What kernel headers say and BTF does not: macros, inline functions, constants, CONFIG options.

Three ways in, for three users. The preprocessor asks `KernelFacts.macro` for each name that nobody defined: only
what must be text is a macro. `KernelFacts.condition` answers for names in ``#if`` and ``#ifdef``. Names of constants
are looked up last of all, by `KernelFacts.constant`, where an expression uses a name that nobody declared; a
text's own enumerator ``READ`` or variable ``current`` is never in their way.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from syscast.btf import types as btf_types
from syscast.btf.layout import find_member
from syscast.frontend.c.datafiles import data
from syscast.frontend.c.definitions import definitions
from syscast.frontend.c.kconfig import Config
from syscast.frontend.c.names import Enumerator
from syscast.frontend.c.types import (
    INT,
    LONG,
    LONG_LONG,
    UNSIGNED_INT,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    Int,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syscast.frontend.c.surroundings import Surroundings

_SUFFIXES: Mapping[str, tuple[Int, ...]] = {
    "": (INT, UNSIGNED_INT, LONG, UNSIGNED_LONG),
    "U": (UNSIGNED_INT, UNSIGNED_LONG),
    "L": (LONG, UNSIGNED_LONG),
    "UL": (UNSIGNED_LONG,),
    "LL": (LONG_LONG, UNSIGNED_LONG_LONG),
    "ULL": (UNSIGNED_LONG_LONG,),
}
_LENGTHS = {
    "DNAME_INLINE_LEN": (("dentry", "d_iname"), ("shortname_store", "string")),
    "DISK_NAME_LEN": (("gendisk", "disk_name"),),
    "TASK_COMM_LEN": (("task_struct", "comm"),),
    "MODULE_NAME_LEN": (("module", "name"),),
    "TCP_CA_NAME_MAX": (("tcp_congestion_ops", "name"),),
}
"""Constants that are lengths of arrays of the kernel: record and member, the first that it has."""
_FALLBACK_LENGTHS = {
    "DNAME_INLINE_LEN": 40,
    "DISK_NAME_LEN": 32,
    "TASK_COMM_LEN": 16,
    "TCP_CA_NAME_MAX": 16,
}
_PAGE_OFFSETS = {
    # Documentation/arch/x86/x86_64/mm.rst: where the direct mapping starts without KASLR
    "x86_64": {
        "__PAGE_OFFSET_BASE_L4": 0xFFFF888000000000,
        "__PAGE_OFFSET_BASE_L5": 0xFF11000000000000,
        "PAGE_OFFSET": 0xFFFF888000000000,
        "__START_KERNEL_map": 0xFFFFFFFF80000000,
        "TASK_SIZE_MAX": 0x7FFFFFFFF000,
    },
    # arch/arm64/include/asm/memory.h with 48 bits of virtual addresses
    "aarch64": {"PAGE_OFFSET": 0xFFFF000000000000, "TASK_SIZE_MAX": 0x1000000000000},
}
_LATER = {
    # Macros that only some kernels have, by what came and went with them in BTF.
    "bio_dev": ("bio", "bi_disk", "bio_dev(bio) ((bio)->bi_disk->part0.bd_dev)"),
    "INIT_PID_LINK": ("pid_link", "pid", "INIT_PID_LINK(type) {}"),
}
_CONFIG = "CONFIG_"
_WIDE = frozenset({"PAGE_SIZE", "PAGE_OFFSET", "TASK_SIZE_MAX"})


class KernelFacts:
    """What the headers of one kernel say, for one text."""

    def __init__(self, surroundings: Surroundings, text: str = "") -> None:
        """Nothing is looked up yet.

        Args:
            surroundings: The kernel.
            text: The program: where it defines a function that headers have as a macro or inline
                function, the header's is not there.
        """
        self._surroundings = surroundings
        self._btf = surroundings.btf
        self._text = text
        self._config = Config(surroundings)
        self._macros = _macros()

    # ------------------------------------------------------------ for the preprocessor

    def macro(self, name: str) -> str | None:
        """What a name is replaced by in the text; a macro with parameters begins with its name. None: no macro.

        Constants are not among them: the text may use their names for what it likes.
        """
        if name.startswith(_CONFIG):
            return self._config.macro(name)
        found = self._macros.get(name)
        if found is not None:
            is_call = found.startswith(f"{name}(")
            if is_call and self._defines(name):
                return None
            return found if is_call else found[len(name) :].strip()
        if name in _LATER:
            record, member, replacement = _LATER[name]
            return replacement if self._has(record, member) else None
        return None

    def condition(self, name: str) -> int | None:
        """The number that a name without a macro stands for in ``#if``; None: it is not defined there."""
        found = self.constant(name)
        return None if found is None else found.value

    def _defines(self, name: str) -> bool:
        """Whether the text defines a function of this name: ``int min(int a, int b) {``."""
        return name in self._text and bool(
            re.search(rf"[\w*]\s[\s*]*{name}\s*\([^(){{}};]*\)\s*\{{", self._text)
        )

    # ------------------------------------------------------------ for names

    def constant(self, name: str) -> Enumerator | None:
        """The number behind a name that is a macro in kernel headers."""
        value = self._of_kernel(name)
        if value is not None:
            return Enumerator(value, _fitting(value, "UL" if name in _WIDE or value >> 63 else ""))
        row = _row(name)
        if row is None:
            return None
        text = row[1] if len(row) > 1 and self._surroundings.arch == "aarch64" else row[0]
        digits = text.rstrip("UL")
        return Enumerator(int(digits), _fitting(int(digits), text[len(digits) :]))

    def constant_names(self) -> Iterator[str]:
        """All names that `constant` knows."""
        yield from (*_LENGTHS, *self._pages())
        yield from re.findall(r"(?m)^(\w+)\t", _table())

    def _of_kernel(self, name: str) -> int | None:
        """What depends on the kernel: lengths of its arrays, sizes of its pages, its addresses."""
        for record, member in _LENGTHS.get(name, ()):
            count = self._length(record, member)
            if count:
                return count
        return self._pages().get(name, _FALLBACK_LENGTHS.get(name))

    def _pages(self) -> Mapping[str, int]:
        size = self._surroundings.page_size
        pages = {"PAGE_SIZE": size, "PAGE_SHIFT": size.bit_length() - 1}
        hertz = (self._surroundings.config or {}).get("CONFIG_HZ", "")
        rate = {"HZ": int(hertz)} if hertz.isdigit() else {}
        return {**_PAGE_OFFSETS.get(self._surroundings.arch, {}), **pages, **rate}

    def _length(self, record: str, member: str) -> int:
        found = self._btf.find(record, btf_types.Struct)
        path = find_member(self._btf, found, member) if found else None
        held = self._btf.type(self._btf.resolve(path.type_id)) if path else None
        return held.count if isinstance(held, btf_types.Array) else 0

    def _has(self, record: str, member: str) -> bool:
        found = self._btf.find(record, btf_types.Struct)
        return found is not None and find_member(self._btf, found, member) is not None


def _fitting(value: int, suffix: str) -> Int:
    return next(each for each in _SUFFIXES[suffix] if each.wrap(value) == value)


@lru_cache(maxsize=1)
def _table() -> str:
    return "\n" + data("constants.tsv")


@lru_cache(maxsize=1)
def _macros() -> Mapping[str, str]:
    return definitions(data("kernel.h")).macros


def _row(name: str) -> list[str] | None:
    """The columns behind a name in the table: searched, since taking all of it apart takes longer."""
    table = _table()
    start = table.find(f"\n{name}\t")
    if start < 0:
        return None
    return table[start + 1 : table.index("\n", start + 1)].split("\t")[1:]
