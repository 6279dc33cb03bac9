"""Where a state's bytes live: in this process, or in the kernel behind the same few methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from syscast.errors import FullError

if TYPE_CHECKING:
    from collections.abc import Iterable

Rows: TypeAlias = tuple[bytes, ...]
"""The values under one key: one, or one for each CPU."""


class Store(Protocol):
    """Bytes under keys of bytes."""

    @property
    def cpus(self) -> int:
        """How many values a key has."""
        ...

    def get(self, key: bytes) -> Rows | None:
        """The values under a key."""
        ...

    def put(self, key: bytes, rows: Rows) -> None:
        """Set them; raises FullError where there is no room for another key."""
        ...

    def remove(self, key: bytes) -> bool:
        """Remove a key; tells whether it was there."""
        ...

    def take(self, key: bytes) -> Rows | None:
        """Remove a key and give the values that were under it."""
        ...

    def items(self) -> list[tuple[bytes, Rows]]:
        """All keys and values."""
        ...

    def drain(self) -> list[tuple[bytes, Rows]]:
        """Take all; what is added meanwhile is either in it or stays."""
        ...


class LocalStore:
    """Bytes in this process.

    Args:
        entries: Most keys.
        name: For messages.
    """

    cpus = 1

    def __init__(self, entries: int, name: str) -> None:
        self._entries = entries
        self._name = name
        self._rows: dict[bytes, Rows] = {}

    def get(self, key: bytes) -> Rows | None:
        """See `Store`."""
        return self._rows.get(key)

    def put(self, key: bytes, rows: Rows) -> None:
        """See `Store`."""
        if key not in self._rows and len(self._rows) >= self._entries:
            raise FullError(f"{self._name}: add a key: it has {self._entries} (max_entries)")
        self._rows[key] = rows

    def remove(self, key: bytes) -> bool:
        """See `Store`."""
        return self._rows.pop(key, None) is not None

    def take(self, key: bytes) -> Rows | None:
        """See `Store`."""
        return self._rows.pop(key, None)

    def items(self) -> list[tuple[bytes, Rows]]:
        """See `Store`."""
        return list(self._rows.items())

    def drain(self) -> list[tuple[bytes, Rows]]:
        """See `Store`."""
        taken, self._rows = self._rows, {}
        return list(taken.items())

    def take_over(self, items: Iterable[tuple[bytes, Rows]]) -> None:
        """Hold exactly these."""
        self._rows = dict(items)
