"""Kernel modules that the guest needs before its root is mounted: found, decompressed, in load order.

Debian's packages hold no modules.dep (depmod makes it on installation), so the dependencies are read from the modules' own
`.modinfo` text, which is NUL-separated `key=value`.
"""

from __future__ import annotations

import gzip
import lzma
import re
import subprocess
from typing import TYPE_CHECKING

from vmtest.host import HarnessError, require_tool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIX = re.compile(r"\.ko(\.(xz|zst|gz))?$")


def read_module(path: Path) -> bytes:
    """The plain ELF bytes of a module file, whatever its compression."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(
            [require_tool("zstd"), "-dc"], input=data, check=True, capture_output=True, timeout=60
        ).stdout
    return data


def dependencies(module: bytes) -> list[str]:
    """Names of the modules that a module's .modinfo says it needs."""
    found = re.search(rb"(?:^|\0)depends=([^\0]*)\0", module)
    return [name for name in found[1].decode().split(",") if name] if found else []


def index(tree: Path) -> dict[str, Path]:
    """Module name (with underscores) to file, for one kernel's module directory."""
    return {
        SUFFIX.sub("", path.name).replace("-", "_"): path
        for path in tree.rglob("*.ko*")
        if SUFFIX.search(path.name)
    }


def builtin(tree: Path) -> set[str]:
    """Names of the modules that are built into the kernel."""
    listing = tree / "modules.builtin"
    if not listing.exists():
        return set()
    return {
        SUFFIX.sub("", line.rsplit("/", 1)[-1]).replace("-", "_")
        for line in listing.read_text().split()
    }


def load_order(tree: Path, wanted: Iterable[str]) -> list[tuple[str, bytes]]:
    """Modules to insert, dependencies first, as (name, ELF bytes). Those built in are left out.

    Raises HarnessError for a wanted module that the kernel has neither way.
    """
    files = index(tree)
    inside = builtin(tree)
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name in inside:
            return
        if name not in files:
            raise HarnessError(f"module '{name}': not in this kernel")
        data = read_module(files[name])
        for needed in dependencies(data):
            add(needed.replace("-", "_"))
        order[name] = data

    for name in wanted:
        add(name)
    return list(order.items())
