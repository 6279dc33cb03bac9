"""Places in files that are named by build id, as stacks of BPF_F_STACK_BUILD_ID have them, to names."""

from __future__ import annotations

from syscast.errors import TargetError
from syscast.symbols import binary
from syscast.symbols.demangle import demangled
from syscast.symbols.symbol import Symbol

_DEBUG = "/usr/lib/debug/.build-id"


class BuildIds:
    """Files by their build id: those that were added, and debugging symbols that are installed."""

    def __init__(self) -> None:
        self._files: dict[str, binary.Binary | None] = {}

    def add(self, path: str) -> bool:
        """Make a file known; whether it has a build id.

        Raises:
            TargetError: It cannot be read, or is no ELF file.
        """
        found = binary.read(path)
        if found.build_id:
            self._files[found.build_id] = found
        return bool(found.build_id)

    def resolve(self, build_id: str, offset: int, *, demangle: bool = True) -> Symbol:
        """What a place lies in.

        Args:
            build_id: In hex.
            offset: Byte in the file.
            demangle: Names of C++ and Rust as they were written.
        """
        if build_id not in self._files:
            self._files[build_id] = _installed(build_id)
        code = self._files[build_id]
        placed = code.address(offset) if code is not None else None
        found = code.at(placed) if code is not None and placed is not None else None
        module = code.path if code is not None else build_id
        if found is None or placed is None:
            return Symbol("", module, offset)
        name = found.name.partition("@")[0]
        return Symbol(demangled(name) if demangle else name, module, placed - found.address)


def _installed(build_id: str) -> binary.Binary | None:
    """The debugging symbols of a build id: same segments, so that places mean the same."""
    try:
        return binary.read(f"{_DEBUG}/{build_id[:2]}/{build_id[2:]}.debug")
    except TargetError:
        return None
