"""bcc's module ``table``: the classes of tables, and which of them a map gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.bcc.arrays import (
    Array,
    ArrayBase,
    CgroupArray,
    CpuMap,
    DevMap,
    FileDesc,
    MapInMapArray,
    PerCpuArray,
    ProgArray,
    XskMap,
)
from syscast.bcc.hashes import (
    HashTable,
    LpmTrie,
    LruHash,
    LruPerCpuHash,
    MapInMapHash,
    PerCpuHash,
)
from syscast.bcc.histograms import get_json_hist, linear_index_max, log2_index_max
from syscast.bcc.maptypes import get_table_type_name
from syscast.bcc.percpu import PerCpu
from syscast.bcc.perfoutput import PerfEventArray
from syscast.bcc.queues import QueueStack
from syscast.bcc.ringoutput import RingBuf
from syscast.bcc.stacktraces import StackTrace
from syscast.bcc.tablebase import Opened, TableBase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from syscast.bcc.arguments import Name
    from syscast.bcc.percpu import Reducer
    from syscast.bcc.structs import CType
    from syscast.bcc.tablebase import Owner
    from syscast.loader.loaded import LoadedMap
    from syscast.spec.tables import TableMeta

    class HasTables(Protocol):
        """A BPF object, which makes its tables by name."""

        def get_table(
            self,
            name: Name,
            keytype: CType | None = None,
            leaftype: CType | None = None,
            reducer: Reducer | None = None,
        ) -> TableBase | QueueStack: ...


__all__ = [
    "Array",
    "ArrayBase",
    "CgroupArray",
    "CpuMap",
    "DevMap",
    "FileDesc",
    "HashTable",
    "LpmTrie",
    "LruHash",
    "LruPerCpuHash",
    "MapInMapArray",
    "MapInMapHash",
    "PerCpuArray",
    "PerCpuHash",
    "PerfEventArray",
    "ProgArray",
    "QueueStack",
    "RingBuf",
    "StackTrace",
    "Table",
    "TableBase",
    "XskMap",
    "get_json_hist",
    "get_table_type_name",
    "linear_index_max",
    "log2_index_max",
    "table_of",
]

_CLASSES: Mapping[str, type[TableBase]] = {
    "hash": HashTable,
    "array": Array,
    "prog_array": ProgArray,
    "perf_event_array": PerfEventArray,
    "percpu_hash": PerCpuHash,
    "percpu_array": PerCpuArray,
    "stack_trace": StackTrace,
    "cgroup_array": CgroupArray,
    "lru_hash": LruHash,
    "lru_percpu_hash": LruPerCpuHash,
    "lpm_trie": LpmTrie,
    "array_of_maps": MapInMapArray,
    "hash_of_maps": MapInMapHash,
    "devmap": DevMap,
    "cpumap": CpuMap,
    "xskmap": XskMap,
    "ringbuf": RingBuf,
}
_QUEUES = frozenset({"queue", "stack"})


def table_of(
    bpf: Owner,
    meta: TableMeta,
    held: LoadedMap,
    keytype: CType | None = None,
    leaftype: CType | None = None,
    reducer: Reducer | None = None,
) -> TableBase | QueueStack:
    """The table of a map.

    Args:
        bpf: Whose it is.
        meta: What the text says of it.
        held: The map; must stay open for as long as the table is used.
        keytype: ctypes class of the keys, instead of the text's.
        leaftype: ctypes class of the values, instead of the text's.
        reducer: For tables with a value per CPU: makes one of two.
    """
    opened = Opened(bpf, meta, held)
    if held.spec.type in _QUEUES:
        return QueueStack(opened, leaftype)
    made = _CLASSES.get(held.spec.type, TableBase)
    if issubclass(made, PerCpu):
        return made(opened, keytype, leaftype, reducer)
    return made(opened, keytype, leaftype)


def Table(
    bpf: HasTables,
    map_id: int,
    map_fd: int,
    keytype: CType | None,
    leaftype: CType | None,
    name: Name,
    **kwargs: Reducer | None,
) -> TableBase | QueueStack:
    """bcc's way to make a table: by its name; number and descriptor of the map are not needed."""
    del map_id, map_fd
    return bpf.get_table(name, keytype, leaftype, kwargs.get("reducer"))
