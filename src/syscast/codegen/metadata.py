"""LLVM metadata nodes as text: numbered, equal ones once."""

from __future__ import annotations


class Metadata:
    """Collects the nodes of one module."""

    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._known: dict[str, str] = {}

    def add(self, text: str, *, distinct: bool = False) -> str:
        """Add a node, without ``!N =``; returns its reference ``!N``."""
        if not distinct and text in self._known:
            return self._known[text]
        ref = f"!{len(self._nodes)}"
        self._nodes.append(f"{ref} = {'distinct ' if distinct else ''}{text}")
        if not distinct:
            self._known[text] = ref
        return ref

    def reserve(self) -> str:
        """A reference to a distinct node that `define` writes later, for cycles."""
        self._nodes.append("")
        return f"!{len(self._nodes) - 1}"

    def define(self, ref: str, text: str) -> None:
        """Write a reserved node."""
        self._nodes[int(ref[1:])] = f"{ref} = distinct {text}"

    def tuple(self, refs: list[str]) -> str:
        """Add a node that lists others."""
        return self.add("!{" + ", ".join(refs) + "}")

    def lines(self) -> list[str]:
        """Every node, by number."""
        return list(self._nodes)


def quoted(data: bytes | str) -> str:
    """A string or byte constant between double quotes, as LLVM's lexer reads it."""
    raw = data.encode() if isinstance(data, str) else data
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in raw)
    return '"' + "".join(plain) + '"'
