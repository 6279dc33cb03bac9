"""The names of a struct's members, for hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.frontend.c.types import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


def member_names(record: Record) -> Iterator[str]:
    """All names that `find_member` would find without aliases: for near matches of a wrong one."""
    for each in record.members:
        if each.name:
            yield each.name
        elif isinstance(each.type, Record):
            yield from member_names(each.type)
