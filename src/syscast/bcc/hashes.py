"""Tables whose keys come and go."""

from __future__ import annotations

from syscast.bcc.percpu import PerCpu
from syscast.bcc.tablebase import TableBase


class HashTable(TableBase):
    """BPF_HASH and its kin."""

    _batched = True


class LruHash(HashTable):
    """A hash table that forgets the keys used longest ago."""


class PerCpuHash(PerCpu, HashTable):
    """A hash table with a value for each CPU."""


class LruPerCpuHash(PerCpuHash):
    """Both."""


class LpmTrie(TableBase):
    """Prefixes: a key is a struct of a ``u32`` prefix length and data, and a look-up gives the longest match."""


class MapInMapHash(HashTable):
    """A hash table of maps: values are set to a map's descriptor, and read as a map's id."""
