"""The tables of a text: what bcc's words for maps mean to the kernel.

A table is declared as a variable in a section ``maps/KIND``, behind which may stand ``:PATH`` (pinned),
``$NAME`` (the table that is the model of the maps inside) and ``!export``, ``!shared`` (other objects of
the process use it by name). ``data/prelude.h`` has the macros that write this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syscast.frontend.c.descriptors import desc
from syscast.frontend.c.types import Int, Record
from syscast.spec.objectspec import MapSpec
from syscast.spec.tables import TableMeta

if TYPE_CHECKING:
    from syscast.frontend.c.surroundings import Surroundings
    from syscast.frontend.c.types import CType

SECTION = "maps/"

LOST_MAP = "syscast_lost"
"""Per-CPU array of u64: records that found a ring buffer full, by the number of the ring's table."""

_TYPES = {
    "prog": "prog_array",
    "perf_output": "perf_event_array",
    "perf_array": "perf_event_array",
    "stacktrace": "stack_trace",
    "extern": "hash",
}
_SAME = frozenset(
    {
        *("hash", "array", "percpu_hash", "percpu_array", "lru_hash", "lru_percpu_hash"),
        *("lpm_trie", "ringbuf", "queue", "stack", "cgroup_array", "devmap", "cpumap", "xskmap"),
        *("hash_of_maps", "array_of_maps", "sk_storage", "inode_storage", "task_storage"),
        *("sockmap", "sockhash", "cgroup_storage", "percpu_cgroup_storage"),
    }
)
KINDS = frozenset({*_TYPES, *_SAME, "histogram", "export", "shared"})

_KEYLESS = frozenset({"ringbuf", "queue", "stack"})
_VALUELESS = frozenset({"ringbuf"})
_FDS = frozenset(
    {"perf_output", "perf_array", "prog", "cgroup_array", *("hash_of_maps", "array_of_maps")}
)
_PER_CPU = frozenset({"perf_output"})
OF_MAPS = frozenset({"hash_of_maps", "array_of_maps"})


class BadTable(Exception):  # noqa: N818  (it becomes a finding at the table's place)
    """A declaration that no map can be made of; the text says why, `hint` what would do.

    Attributes:
        table: Which table, where it is not the one that is being declared.
    """

    def __init__(self, message: str, hint: str = "", table: str = "") -> None:
        self.hint = hint
        self.table = table
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        kind: bcc's word for what it is.
        type: ``enum bpf_map_type`` without its prefix, lower case.
        key: C type of a key; None for queues and rings.
        max_entries: As the kernel gets it, 0 for what it counts itself.
        path: The file it is pinned at, or "".
        sharing: ``extern``, ``export``, ``shared`` or "".
        inner: Name of the model of the maps inside, or "".
        ring: For ring buffers: the number among these, by which lost records are counted.
    """

    name: str
    kind: str
    type: str
    key: CType | None
    leaf: CType
    max_entries: int
    flags: int
    path: str = ""
    sharing: str = ""
    inner: str = ""
    ring: int = -1

    @property
    def creates(self) -> bool:
        """Whether ``increment`` makes an entry that is missing."""
        return self.type == "hash"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a declaration of a table says."""

    name: str
    section: str
    key: CType | None
    leaf: CType | None
    max_entries: int
    flags: int


def make(declared: Declared, surroundings: Surroundings, rings: int) -> Table:
    """Understand a declaration.

    Args:
        declared: What stands in the text.
        surroundings: The kernel: CPUs, pages.
        rings: How many ring buffers there are before it.

    Raises:
        BadTable: It makes no sense.
    """
    kind, path, inner, sharing = _parts(declared.section.removeprefix(SECTION))
    if kind not in KINDS:
        raise BadTable(f"'{kind}' is no type of table", f"types are: {', '.join(sorted(KINDS))}")
    if kind in {"export", "shared", "extern"}:
        sharing = kind
    leaf = declared.leaf
    if leaf is None:
        raise BadTable(f"table '{declared.name}' has no leaf")
    key = None if kind in _KEYLESS else declared.key
    for what, ctype in (("key", key), ("leaf", leaf)):
        if ctype is not None:
            _complete(declared.name, what, ctype)
    if kind == "histogram" and not _is_u64(leaf):
        raise BadTable(f"the leaf of histogram '{declared.name}' is not u64")
    entries = _entries(kind, declared.max_entries, surroundings)
    if not 0 <= entries < 1 << 32:
        raise BadTable(
            f"table '{declared.name}' cannot have {declared.max_entries} elements",
            "the number is a u32",
        )
    return Table(
        declared.name,
        kind,
        _map_type(kind, key),
        key,
        leaf,
        entries,
        declared.flags,
        path=path,
        sharing=sharing,
        inner=inner,
        ring=rings if kind == "ringbuf" else -1,
    )


def _parts(text: str) -> tuple[str, str, str, str]:
    """Kind, path, inner and sharing of a section's name."""
    text, _, sharing = text.partition("!")
    kind, _, path = text.partition(":")
    path, _, inner = path.partition("$") if path else ("", "", "")
    kind, _, after = kind.partition("$")
    return kind, path, inner or after, sharing


def _complete(name: str, what: str, ctype: CType) -> None:
    if isinstance(ctype, Record) and not ctype.complete:
        raise BadTable(
            f"unknown type '{ctype.spelling}' of table '{name}' ({what})",
            "declare it before the table",
        )
    if not ctype.size:
        raise BadTable(f"the {what} of table '{name}' has no size")


def _is_u64(ctype: CType) -> bool:
    return isinstance(ctype, Int) and ctype.size == 8 and not ctype.signed


def _is_int(ctype: CType | None) -> bool:
    return isinstance(ctype, Int) and ctype.name == "int"


def _map_type(kind: str, key: CType | None) -> str:
    if kind == "histogram":
        return "array" if _is_int(key) else "hash"
    if kind in _SAME:
        return kind
    return _TYPES.get(kind, "hash")


def _entries(kind: str, given: int, surroundings: Surroundings) -> int:
    if kind == "ringbuf":
        return given * surroundings.page_size
    if kind in _PER_CPU:
        return surroundings.possible_cpus
    if kind == "stacktrace":
        return 1 << max(given - 1, 0).bit_length()
    return given


def words(types: frozenset[str]) -> list[str]:
    """Bcc's words for some types of maps."""
    return sorted(kind for kind in KINDS if (kind in types or _TYPES.get(kind) in types))


def specs(tables: dict[str, Table]) -> list[MapSpec]:
    """The maps to create, models of inner maps first, and that of lost records.

    Raises:
        BadTable: A model that is not there.
    """
    made = [_spec(each, tables) for each in tables.values()]
    made.sort(key=lambda spec: spec.inner is not None)
    rings = sum(each.ring >= 0 for each in tables.values())
    if rings:
        made.append(MapSpec(LOST_MAP, "percpu_array", 4, 8, rings))
    return made


def _spec(table: Table, tables: dict[str, Table]) -> MapSpec:
    inner = None
    if table.type in OF_MAPS:
        model = tables.get(table.inner)
        if model is None:
            raise BadTable(
                f"table '{table.name}' has inner tables like '{table.inner}', which is none",
                f"declare table '{table.inner}' before it",
                table.name,
            )
        inner = _spec(model, {})
    return MapSpec(
        table.name,
        table.type,
        key_size=_key_size(table),
        value_size=_value_size(table),
        max_entries=table.max_entries,
        flags=table.flags,
        inner=inner,
    )


def _key_size(table: Table) -> int:
    return 0 if table.key is None else table.key.size


def _value_size(table: Table) -> int:
    if table.kind in _VALUELESS:
        return 0
    return 4 if table.kind in _FDS else table.leaf.size


def meta(table: Table, event: CType | None) -> TableMeta:
    """What Python needs to know of a table."""
    return TableMeta(
        table.name,
        table.kind,
        key=None if table.key is None else desc(table.key),
        leaf=desc(table.leaf),
        max_entries=table.max_entries,
        flags=table.flags,
        event=None if event is None else desc(event),
        path=table.path,
        sharing=table.sharing,
        inner=table.inner,
    )
