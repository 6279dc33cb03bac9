"""Kernel modules: which are loaded, and which on disk might hold a function.

The lists under /lib/modules are those of depmod(8). The running kernel's release is only part of
their path here.
"""

from __future__ import annotations

import re

from syscast.kernel.textfiles import read_text

_FILE = re.compile(r"([^/]+)\.ko(?:\.\w+)?$")


def loaded() -> frozenset[str]:
    """Names of the loaded modules; empty where /proc does not tell."""
    text = read_text("/proc/modules") or ""
    return frozenset(line.partition(" ")[0] for line in text.splitlines())


def directory() -> str:
    """Where the running kernel's modules lie."""
    return f"/lib/modules/{read_text('/proc/sys/kernel/osrelease')}"


def on_disk() -> frozenset[str]:
    """Names of all modules that could be loaded, with underscores; empty if unknown."""
    return _names(read_text(f"{directory()}/modules.dep") or "", ":")


def built_in() -> frozenset[str]:
    """Names of the modules that are part of the kernel; empty if unknown."""
    return _names(read_text(f"{directory()}/modules.builtin") or "", "\n")


def _names(text: str, end: str) -> frozenset[str]:
    paths = (line.partition(end)[0] for line in text.splitlines())
    found = (_FILE.search(path) for path in paths)
    return frozenset(match[1].replace("-", "_") for match in found if match)


def exporting(symbol: str) -> str | None:
    """The module on disk that exports a symbol, or None."""
    # Lines read "alias symbol:tcp_bbr_init tcp_bbr".
    text = read_text(f"{directory()}/modules.symbols") or ""
    start = text.find(f" symbol:{symbol} ")
    if start < 0:
        return None
    line = text[start:].partition("\n")[0]
    return line.rpartition(" ")[2].strip().replace("-", "_")


def probable_owner(function: str, among: frozenset[str] | None = None) -> str | None:
    """The module whose name a function's name starts with, the longest such; a guess.

    Args:
        function: Such as ``nf_tables_newrule``.
        among: Modules to choose from; those on disk that are not loaded if None.
    """
    candidates = on_disk() - loaded() if among is None else among
    name = function.lstrip("_")
    best = [module for module in candidates if name.startswith(f"{module}_")]
    return max(best, key=len, default=None)
