"""The drop-in under the name ``bcc``: ``from bcc import BPF`` gives what ``from syscast.bcc import BPF`` gives.

A finder in front of all others answers for ``bcc`` and ``bcc.MODULE`` with the modules of `syscast.bcc`
themselves, not with copies: an ``isinstance`` holds whichever name a class came by.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType

NAME = "bcc"
_REAL = "syscast.bcc"


class _Finder:
    """Finds the modules of `syscast.bcc` under the other name."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by the import system (`importlib.abc.MetaPathFinder`)."""
        del path, target
        head, _, rest = name.partition(".")
        if head != NAME:
            return None
        real = f"{_REAL}.{rest}" if rest else _REAL
        if find_spec(real) is None:
            return None
        return ModuleSpec(name, cast("Loader", _Loader(real)), is_package=not rest)


class _Loader:
    """Gives a module that exists already, and leaves what it says of itself as it is."""

    def __init__(self, real: str) -> None:
        self._real = real
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Called by the import system."""
        del spec
        module = import_module(self._real)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Called by the import system, which has put its own spec into the module."""
        module.__spec__ = self._spec


def install() -> None:
    """Answer for ``bcc`` from now on, whatever else is installed; a second call does nothing."""
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    sys.modules[NAME] = import_module(_REAL)
