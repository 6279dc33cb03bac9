"""``struct tracepoint__CATEGORY__EVENT``: what a program at a tracepoint finds in its context, from the ``format`` file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syscast.frontend.c.basictypes import basic
from syscast.frontend.c.types import (
    CHAR,
    INT,
    UNSIGNED_LONG_LONG,
    VOID,
    Array,
    Int,
    Member,
    Pointer,
    integer,
    is_integer,
    named,
)

if TYPE_CHECKING:
    from syscast.frontend.c.names import Names
    from syscast.frontend.c.types import CType, Record

PREFIX = "tracepoint__"

_FIELD = re.compile(
    r"\tfield:(?P<declaration>[^;]*);\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"(?:\s*signed:(?P<signed>\d+);)?"
)
_DECLARATION = re.compile(
    r"(?P<type>.*?)\s*\b(?P<name>\w+)\s*(?P<array>\[.*\])?$", re.ASCII | re.DOTALL
)
_WORDS = re.compile(r"\w+|\*", re.ASCII)
_IGNORED = frozenset({"const", "volatile", "restrict", "__user", "__rcu", "__percpu", "__iomem"})
_LOCATED = ("__data_loc ", "__rel_loc ")
_COMMON = 8
"""Bytes in front of every record that the kernel lets no program read."""


def names_of(tag: str) -> tuple[str, str] | None:
    """Category and event of a struct's tag or a function's name; None for another."""
    if not tag.startswith(PREFIX):
        return None
    category, _, event = tag.removeprefix(PREFIX).rpartition("__")
    return (category, event) if category and event else None


def define(record: Record, text: str, names: Names, arch: str) -> None:
    """Give the struct of a tracepoint its members.

    Args:
        record: The struct, not complete.
        text: The ``format`` file.
        names: Where the types of its fields are looked up.
        arch: The machine.
    """
    common = named(UNSIGNED_LONG_LONG, "u64")
    members = [Member("__do_not_use__", common, 0)]
    end = _COMMON
    for found in _FIELD.finditer(text):
        offset, size = int(found["offset"]), int(found["size"])
        declared = found["declaration"].strip()
        if offset < _COMMON or declared.split()[-1].startswith("common_"):
            end = max(end, offset + size)
            continue
        made = _member(declared, size, names, arch, signed=found["signed"] == "1")
        if made is not None:
            name, ctype = made
            members.append(Member(name, ctype, 8 * offset))
        end = max(end, offset + size)
    record.body.define(tuple(members), end + 7 & -8, 8)


def _member(
    declared: str, size: int, names: Names, arch: str, *, signed: bool
) -> tuple[str, CType] | None:
    for located in _LOCATED:
        if declared.startswith(located):
            name = declared.removeprefix(located).replace("]", "] ").split()[-1]
            return f"{located.strip().removeprefix('__')}_{name}", INT
    parts = _DECLARATION.match(declared)
    if parts is None:
        return None
    spelled = parts["type"]
    array = parts["array"] is not None or spelled.endswith("]")
    ctype = _type(spelled.partition("[")[0], names, arch)
    if array:
        element = ctype if ctype is not None and ctype.complete else CHAR
        return parts["name"], Array(element, size // max(1, element.size))
    return parts["name"], _sized(ctype, size, signed=signed)


def _sized(ctype: CType | None, size: int, *, signed: bool) -> CType:
    """The spelled type, if it has the size that the record has room for; else an integer of that size."""
    if ctype is not None and ctype.complete and ctype.size == size:
        return ctype
    if size in {1, 2, 4, 8}:
        if ctype is not None and is_integer(ctype) and isinstance(ctype, Int):
            signed = ctype.signed
        made = integer(size, signed=signed)
        return named(made, f"{'s' if signed else 'u'}{8 * size}")
    return Array(CHAR, size)


def _type(spelled: str, names: Names, arch: str) -> CType | None:
    """The type that some words name; None for what nobody knows."""
    words = [each for each in _WORDS.findall(spelled) if each not in _IGNORED]
    stars = words.count("*")
    words = [each for each in words if each != "*"]
    found: CType | None
    if len(words) == 2 and words[0] in {"struct", "union", "enum"}:
        found = names.tag(words[0], words[1])
    elif words == ["void"]:
        found = VOID
    else:
        found = basic(words, arch) or (names.typedef(words[0]) if len(words) == 1 else None)
    if stars and found is None:
        found = VOID
    for _ in range(stars):
        assert found is not None
        found = Pointer(found)
    return found
