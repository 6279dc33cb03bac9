"""Load objects into the kernel: BTF, maps, relocations, programs.

``load`` turns an ``ObjectSpec`` into a ``LoadedObject``, which owns the descriptors. Attaching is
``syscast.link``'s.
"""

from __future__ import annotations

from syscast.loader.load import load
from syscast.loader.loaded import LoadedMap, LoadedObject, LoadedProgram

__all__ = ["LoadedMap", "LoadedObject", "LoadedProgram", "load"]
