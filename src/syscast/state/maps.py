"""Maps that probes and Python share: hash maps and arrays, also with a value for each CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, MutableMapping
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeAlias, TypeVar, cast, overload

from syscast.errors import UsageError
from syscast.state.shape import U32, Shape, one, shape_of
from syscast.state.state import DEFAULT_ENTRIES, MapPlan, State
from syscast.state.structs import Struct, settle
from syscast.state.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.spec.meta import FieldMeta
    from syscast.state.store import Rows, Store

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")
Merge: TypeAlias = Literal["sum", "min", "max"]

_MERGES: dict[str, Callable[[Iterable[int]], int]] = {"sum": sum, "min": min, "max": max}
_MISSING = object()


class _Values(State):
    """What hash maps and arrays share: values that are assigned."""

    per_cpu_type: ClassVar[bool] = False
    _merge: str = "sum"

    @property
    def _store(self) -> Store:
        return self._kernel or self._local

    def _one(self, rows: Rows) -> bytes:
        """The value of all CPUs' values."""
        if len(rows) == 1:
            return rows[0]
        shape = self._plan.value
        numbers = [cast("int", shape.unpack(row)[0]) for row in rows]
        total = _MERGES[self._merge](numbers)
        kind = shape.number
        if kind is not None and self._merge == "sum":
            total = _wrapped(total, kind.size * 8, signed=kind.signed)
        return shape.pack([total])

    def _spread(self, value: bytes, cpus: int) -> Rows:
        """Values of all CPUs that merge to one."""
        other = value if self._merge != "sum" else bytes(len(value))
        return (value,) + (other,) * (cpus - 1)

    def _put(self, key: bytes, value: bytes) -> None:
        store = self._store
        store.put(key, self._spread(value, store.cpus))

    def _value(self, key: bytes, rows: Rows) -> object:
        found = self._plan.value.decode(self._one(rows))
        if isinstance(found, Struct):
            settle(found, partial(self._write_back, key))
        return found

    def _write_back(self, key: bytes, struct: Struct) -> None:
        with self._lock:
            self._put(key, self._plan.value.encode(struct))

    def _moved_in(self, store: Store) -> None:
        for key, rows in self._local.drain():
            store.put(key, self._spread(self._one(rows), store.cpus))

    def _moved_out(self, items: Iterable[tuple[bytes, Rows]]) -> None:
        self._local.take_over(items)

    def _per_cpu(self, rows: Rows | None) -> tuple[object, ...]:
        return tuple(self._plan.value.decode(row) for row in rows or ())

    def _plain_value(self, rows: Rows) -> object:
        shape = self._plan.value
        return shape.plain(shape.unpack(self._one(rows)))

    def _plain(self) -> dict[str, object]:
        key = self._plan.key
        with self._lock:
            found = self._store.items()
        items = [
            {"key": key.plain(key.unpack(raw)), "value": self._plain_value(rows)}
            for raw, rows in found
        ]
        return {"items": items}

    def _check_merge(self, merge: str) -> None:
        if merge not in _MERGES:
            raise UsageError(f"{type(self).__name__}: declare: merge={merge!r} (sum, min or max)")
        self._merge = merge


def _wrapped(number: int, bits: int, *, signed: bool) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if signed and number >> (bits - 1) else number


def _need_number(shape: Shape, name: str) -> None:
    if shape.number is None:
        raise UsageError(
            f"{name}: declare: the values of all CPUs are merged, and {shape} cannot be "
            "(use u8 to u64 or i8 to i64)"
        )


class Hash(_Values, MutableMapping[K, V]):
    """A hash map that probes and Python share: ``Hash[u32, u64](max_entries=10240)``.

    It is a mapping. In a probe: ``m[k]`` (KeyError), ``m[k] = v``, ``m[k] += n`` (atomic; on a missing key
    KeyError, or it starts from ``default``), ``k in m``, ``m.get(k, d)``, ``del m[k]``,
    ``m.pop(k)``, ``m.pop(k, d)``. A key for which there is no room is a FullError, counted at its
    line and in `lost`. Sums of ``+=`` wrap at the value's width.

    Args:
        max_entries: Most keys.
        default: What ``m[k]`` and ``m[k] += n`` take for a missing key, instead of KeyError.
    """

    parameters = 2
    map_type: ClassVar[str] = "hash"

    def __init__(self, max_entries: int = DEFAULT_ENTRIES, *, default: V | None = None) -> None:
        name = type(self).__name__
        key, value = (
            [
                shape_of(each, f"{name}: {what}")
                for each, what in zip(self._types, ("key", "value"), strict=True)
            ]
            if self._types
            else [one(U32), one(U32)]
        )
        if self.per_cpu_type:
            _need_number(value, name)
        self._settle(MapPlan(self.map_type, key, value, max_entries))
        self._default = default
        if default is not None:
            value.encode(default)

    @property
    def default(self) -> V | None:
        """The value of a missing key; None for KeyError."""
        return self._default

    def __getitem__(self, key: K) -> V:
        raw = self._plan.key.encode(key)
        with self._lock:
            rows = self._store.get(raw)
        if rows is not None:
            return cast("V", self._value(raw, rows))
        if self._default is None:
            raise KeyError(key)
        if isinstance(self._default, Struct):  # a copy, whose changes put it into the map
            return cast("V", self._value(raw, (self._plan.value.encode(self._default),)))
        return self._default

    def __setitem__(self, key: K, value: V) -> None:
        raw, data = self._plan.key.encode(key), self._plan.value.encode(value)
        with self._lock:
            self._put(raw, data)

    def __delitem__(self, key: K) -> None:
        with self._lock:
            if not self._store.remove(self._plan.key.encode(key)):
                raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return self._store.get(self._plan.key.encode(key)) is not None

    def __iter__(self) -> Iterator[K]:
        return iter([key for key, _ in self._pairs()])

    def __len__(self) -> int:
        with self._lock:
            return len(self._store.items())

    @overload
    def get(self, key: K, default: None = None, /) -> V | None: ...

    @overload
    def get(self, key: K, default: V, /) -> V: ...

    @overload
    def get(self, key: K, default: D, /) -> V | D: ...

    def get(self, key: K, default: V | D | None = None, /) -> V | D | None:
        """The value under a key, or ``default``, whatever default the map has."""
        raw = self._plan.key.encode(key)
        with self._lock:
            rows = self._store.get(raw)
        return default if rows is None else cast("V", self._value(raw, rows))

    @overload
    def pop(self, key: K, /) -> V: ...

    @overload
    def pop(self, key: K, /, default: V) -> V: ...

    @overload
    def pop(self, key: K, /, default: D) -> V | D: ...

    def pop(self, key: K, /, default: object = _MISSING) -> object:
        """Remove a key and give its value; without it, ``default`` or KeyError."""
        raw = self._plan.key.encode(key)
        with self._lock:
            rows = self._store.take(raw)
        if rows is not None:
            return self._plan.value.decode(self._one(rows))
        if default is _MISSING:
            raise KeyError(key)
        return default

    def _pairs(self) -> list[tuple[K, V]]:
        with self._lock:
            found = self._store.items()
        return self._decoded(found)

    def _decoded(self, found: Iterable[tuple[bytes, Rows]]) -> list[tuple[K, V]]:
        plan = self._plan
        return [
            (cast("K", plan.key.decode(key)), cast("V", plan.value.decode(self._one(rows))))
            for key, rows in found
        ]

    def to_dict(self) -> dict[K, V]:
        """Everything, as it is now."""
        return dict(self._pairs())

    def drain(self) -> dict[K, V]:
        """Take everything out; what probes write meanwhile is in this or in the next, never lost."""
        with self._lock:
            found = self._store.drain()
        return dict(self._decoded(found))

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._store.drain()

    def __repr__(self) -> str:
        pairs = self._pairs()
        with contextlib.suppress(TypeError):  # keys without an order stay as they come
            pairs.sort(key=itemgetter(0))
        rows = [(str(key), str(value)) for key, value in pairs]
        return table(f"{type(self).__name__}, {len(rows)} keys", rows, self._notes())

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class LruHash(Hash[K, V]):
    """As `Hash`; when it is full, the key used least recently makes room, unseen."""

    map_type = "lru_hash"


class PerCpuHash(Hash[K, V]):
    """As `Hash`, of integers, with a value for each CPU: a probe sees its CPU's only.

    Args:
        max_entries: Most keys.
        default: As for `Hash`.
        merge: What Python sees of all CPUs' values: their sum, min or max.
    """

    map_type = "percpu_hash"
    per_cpu_type = True

    def __init__(
        self,
        max_entries: int = DEFAULT_ENTRIES,
        *,
        default: V | None = None,
        merge: Merge = "sum",
    ) -> None:
        super().__init__(max_entries, default=default)
        self._check_merge(merge)

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {**super().options(), "merge": self._merge}

    def per_cpu(self, key: K) -> tuple[V, ...]:
        """Each CPU's value; raises KeyError."""
        with self._lock:
            rows = self._store.get(self._plan.key.encode(key))
        if rows is None:
            raise KeyError(key)
        return cast("tuple[V, ...]", self._per_cpu(rows))


class LruPerCpuHash(PerCpuHash[K, V]):
    """As `PerCpuHash`; when it is full, the key used least recently makes room, unseen."""

    map_type = "lru_percpu_hash"


class Array(_Values, Iterable[V]):
    """An array that probes and Python share: ``Array[u64](16)``, all zeros at first.

    In a probe: ``a[i]``, ``a[i] = v``, ``a[i] += n`` (atomic), ``len(a)``; an index outside is an IndexError.

    Args:
        length: Number of elements.
    """

    map_type: ClassVar[str] = "array"

    def __init__(self, length: int) -> None:
        name = type(self).__name__
        value = shape_of(self._types[0], f"{name}: value") if self._types else one(U32)
        if self.per_cpu_type:
            _need_number(value, name)
        self._settle(MapPlan(self.map_type, one(U32), value, length))

    def types(self) -> tuple[tuple[FieldMeta, ...], tuple[FieldMeta, ...]]:
        """See `State.types`."""
        return (), self._plan.value.fields

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {"length": self._plan.entries}

    def _key(self, index: int) -> bytes:
        if not 0 <= index < self._plan.entries:
            raise IndexError(f"index {index} is outside the array of {self._plan.entries}")
        return self._plan.key.encode(index)

    def _rows(self, key: bytes) -> Rows:
        return self._store.get(key) or (bytes(self._plan.value.size),)

    def __getitem__(self, index: int) -> V:
        key = self._key(index)
        with self._lock:
            return cast("V", self._value(key, self._rows(key)))

    def __setitem__(self, index: int, value: V) -> None:
        key, data = self._key(index), self._plan.value.encode(value)
        with self._lock:
            self._put(key, data)

    def __len__(self) -> int:
        return self._plan.entries

    def __iter__(self) -> Iterator[V]:
        return iter(self.to_list())

    def items(self) -> list[tuple[int, V]]:
        """Index and value of each element."""
        return list(enumerate(self.to_list()))

    def to_list(self) -> list[V]:
        """All elements, as they are now."""
        with self._lock:
            return self._decoded(self._store.items())

    def _plain(self) -> dict[str, object]:
        with self._lock:
            found = dict(self._store.items())
        zero = (bytes(self._plan.value.size),)
        keys = [self._plan.key.encode(index) for index in range(self._plan.entries)]
        return {"items": [self._plain_value(found.get(key, zero)) for key in keys]}

    def _decoded(self, found: Iterable[tuple[bytes, Rows]]) -> list[V]:
        plan = self._plan
        values = [plan.value.decode(bytes(plan.value.size))] * plan.entries
        for key, rows in found:
            values[cast("int", plan.key.decode(key))] = plan.value.decode(self._one(rows))
        return cast("list[V]", values)

    def drain(self) -> list[V]:
        """Take all elements and set them to zero; nothing that probes write meanwhile is lost."""
        with self._lock:
            return self._decoded(self._store.drain())

    def clear(self) -> None:
        """Set all elements to zero."""
        with self._lock:
            self._store.drain()

    def __repr__(self) -> str:
        rows = [(str(index), str(value)) for index, value in self.items()]
        return table(f"{type(self).__name__}, {len(rows)} elements", rows, self._notes())


class PerCpuArray(Array[V]):
    """As `Array`, of integers, with a value for each CPU: a probe sees its CPU's only.

    Args:
        length: Number of elements.
        merge: What Python sees of all CPUs' values: their sum, min or max.
    """

    map_type = "percpu_array"
    per_cpu_type = True

    def __init__(self, length: int, *, merge: Merge = "sum") -> None:
        super().__init__(length)
        self._check_merge(merge)

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {**super().options(), "merge": self._merge}

    def per_cpu(self, index: int) -> tuple[V, ...]:
        """Each CPU's value."""
        with self._lock:
            return cast("tuple[V, ...]", self._per_cpu(self._rows(self._key(index))))


class Var(_Values, Generic[V]):
    """A number that probes and Python share: ``Var[u64](0)``.

    ``var.value`` reads it, ``var.value = x`` and ``var.set(x)`` write it, ``var.value += n`` is
    atomic in a probe.

    Args:
        initial: Its value at first.
    """

    map_type: ClassVar[str] = "array"

    def __init__(self, initial: V | None = None) -> None:
        shape = shape_of(self._types[0], "Var: value") if self._types else one(U32)
        self._settle(MapPlan(self.map_type, one(U32), shape, 1, drained=False))
        self._at = self._plan.key.encode(0)
        if initial is not None:
            self.set(initial)

    def types(self) -> tuple[tuple[FieldMeta, ...], tuple[FieldMeta, ...]]:
        """See `State.types`."""
        return (), self._plan.value.fields

    def options(self) -> dict[str, int | str]:
        """See `State.options`."""
        return {}

    @property
    def value(self) -> V:
        """The number."""
        with self._lock:
            rows = self._store.get(self._at) or (bytes(self._plan.value.size),)
            return cast("V", self._value(self._at, rows))

    @value.setter
    def value(self, new: V) -> None:
        self.set(new)

    def _plain(self) -> dict[str, object]:
        with self._lock:
            rows = self._store.get(self._at) or (bytes(self._plan.value.size),)
        return {"value": self._plain_value(rows)}

    def set(self, value: V) -> None:
        """Give it another value."""
        data = self._plan.value.encode(value)
        with self._lock:
            self._put(self._at, data)

    def __repr__(self) -> str:
        return f"Var({self.value!r})"
