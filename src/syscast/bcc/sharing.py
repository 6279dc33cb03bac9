"""Maps that outlive or cross one BPF object: published tables, and pinned ones.

``BPF_TABLE_PUBLIC`` publishes a table in this process, ``BPF_TABLE("extern", ...)`` takes it; a
pinned table is a file in a bpf file system.
"""

from __future__ import annotations

from errno import ENOENT
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import KernelError, UsageError
from syscast.kernel import bpfprogs
from syscast.loader.loaded import LoadedMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syscast.spec.objectspec import MapSpec
    from syscast.spec.tables import TableMeta

_EXTERN = "extern"
_PUBLISHED = frozenset({"export", "shared"})


class Published(NamedTuple):
    """A table of another object."""

    meta: TableMeta
    held: LoadedMap


_published: dict[str, Published] = {}


def existing(
    tables: Mapping[str, TableMeta], specs: Mapping[str, MapSpec]
) -> dict[str, LoadedMap]:
    """Open the tables that exist already; the caller closes them.

    Raises:
        UsageError: An extern table that nobody published.
        KernelError: A pinned file that is no map, or that may not be opened.
    """
    found: dict[str, LoadedMap] = {}
    try:
        for name, meta in tables.items():
            held = _extern(name) if meta.sharing == _EXTERN else _pinned(meta, specs.get(name))
            if held is not None:
                found[name] = held
    except BaseException:
        for each in found.values():
            each.fd.close()
        raise
    return found


def described(meta: TableMeta) -> TableMeta:
    """What is known of a table: for an extern one, what its owner said."""
    other = _published.get(meta.name) if meta.sharing == _EXTERN else None
    return other.meta if other else meta


def publish(tables: Mapping[str, TableMeta], maps: Mapping[str, LoadedMap]) -> None:
    """Make tables known to later objects; they stay, as bcc keeps them, until the process ends."""
    for name, meta in tables.items():
        if meta.sharing in _PUBLISHED and name in maps:
            held = maps[name]
            old = _published.get(name)
            _published[name] = Published(meta, LoadedMap(held.fd.duplicate(), held.spec))
            if old is not None:
                old.held.fd.close()


def pin(meta: TableMeta, held: LoadedMap) -> None:
    """Pin a table that was just made; raises KernelError."""
    bpfprogs.obj_pin(held.fd, meta.path)


def forget() -> None:
    """Close what is published; for tests, and at the end of the process."""
    for each in _published.values():
        each.held.fd.close()
    _published.clear()


def _extern(name: str) -> LoadedMap:
    other = _published.get(name)
    if other is None:
        raise UsageError(
            f"table '{name}': open: no other BPF object of this process publishes it "
            "(BPF_TABLE_PUBLIC)"
        )
    return LoadedMap(other.held.fd.duplicate(), other.held.spec)


def _pinned(meta: TableMeta, spec: MapSpec | None) -> LoadedMap | None:
    if not meta.path or spec is None:
        return None
    try:
        return LoadedMap(bpfprogs.obj_get(meta.path), spec)
    except KernelError as error:
        if error.errno != ENOENT:
            raise
    return None
