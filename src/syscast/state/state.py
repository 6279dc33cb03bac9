"""``State``: what every object has that probes and Python share."""

from __future__ import annotations

from _thread import RLock  # threading costs a start 2 ms
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, cast

import msgspec

from syscast.errors import UsageError
from syscast.state.shape import Shape
from syscast.state.store import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syscast.spec.meta import FieldMeta
    from syscast.state.store import Rows, Store

DEFAULT_ENTRIES = 10240
_MAX_ENTRIES = 1 << 26
_MAX_KEY = 512  # MAX_BPF_STACK: htab_map_alloc_check() refused longer keys until v5.18
_MAX_VALUE = 32 << 10  # PCPU_MIN_UNIT_SIZE, the limit of a per-CPU map's value


class MapPlan(msgspec.Struct, frozen=True):
    """How a state stands in the kernel.

    Attributes:
        type: ``enum bpf_map_type`` without its prefix, lower case.
        key: Layout of a key; of an array, a u32 index.
        value: Layout of a value.
        entries: Most keys.
        drained: Whether it can be drained, which needs two maps and a switch.
    """

    type: str
    key: Shape
    value: Shape
    entries: int
    drained: bool = True


class State(ABC):
    """An object that probes change in the kernel and Python reads.

    Before a session uses it, while one does, and afterwards it can be used from Python in the same
    way. While sessions are open its data is in the kernel; when the last of them closes, the data
    comes into this process and stays readable.
    """

    parameters: ClassVar[int] = 1
    """How many types stand between the brackets."""
    optional: ClassVar[bool] = False
    """Whether the brackets may be left out."""
    _types: ClassVar[tuple[object, ...]] = ()

    _local: LocalStore
    _kernel: Store | None
    _plan: MapPlan

    def __class_getitem__(cls, item: object) -> type[Self]:
        """The class for these types: ``Hash[u32, u64]``."""
        given: tuple[object, ...] = item if isinstance(item, tuple) else (item,)
        if all(isinstance(each, TypeVar) for each in given):
            return cls  # a base class, whose types come later
        if cls._types or not cls.parameters:
            raise UsageError(f"{cls.__name__}: declare: it takes no types here")
        if len(given) != cls.parameters:
            raise UsageError(
                f"{cls.__name__}: declare: {len(given)} types are given, it takes {cls.parameters}"
            )
        namespace: dict[str, object] = {"_types": given, "__doc__": cls.__doc__}
        return cast("type[Self]", type.__call__(type(cls), cls.__name__, (cls,), namespace))

    def _settle(self, plan: MapPlan) -> None:
        """Finish construction."""
        name = type(self).__name__
        if not self._types and not self.optional:
            example = "[u32, u64]" if self.parameters > 1 else "[u64]"
            raise UsageError(f"{name}: declare: its types are missing ({name}{example}(...))")
        if not 0 < plan.entries <= _MAX_ENTRIES:
            raise UsageError(
                f"{name}: declare: {plan.entries} entries are out of range (1 to {_MAX_ENTRIES})"
            )
        if plan.key.size > _MAX_KEY:
            raise UsageError(
                f"{name}: declare: a key of {plan.key.size} bytes is too long (up to {_MAX_KEY})"
            )
        if plan.value.size > _MAX_VALUE:
            raise UsageError(
                f"{name}: declare: a value of {plan.value.size} bytes is too long "
                f"(up to {_MAX_VALUE})"
            )
        self._plan = plan
        self._local = LocalStore(plan.entries, name)
        self._kernel = None
        self._lock = RLock()
        self._lost = 0
        self._losses: dict[int, Callable[[], int]] = {}

    @property
    def plan(self) -> MapPlan:
        """How it stands in the kernel."""
        return self._plan

    @property
    def lost(self) -> int:
        """Updates by probes that found no room for another key, since it was made."""
        return self._lost + sum(count() for count in self._losses.values())

    def types(self) -> tuple[tuple[FieldMeta, ...], tuple[FieldMeta, ...]]:
        """Parts of the user's key and value, as an object describes them."""
        return self._plan.key.fields, self._plan.value.fields

    def options(self) -> dict[str, int | str]:
        """What it was constructed with, beside its types."""
        return {"max_entries": self._plan.entries}

    def to_json(self, name: str = "") -> str:
        """Everything as one JSON object on one line: ``state`` (the class), ``lost`` and the data.

        With keys the data is ``items``, a list of objects with ``key`` and ``value``; keys and values
        of several parts are lists. Else it is ``value``.

        Args:
            name: Given as ``name`` where it is not empty.
        """
        found: dict[str, object] = {"name": name} if name else {}
        found |= {"state": type(self).__name__, **self._plain()}
        if self.lost:
            found["lost"] = self.lost
        return msgspec.json.encode(found).decode()

    @abstractmethod
    def _plain(self) -> dict[str, object]:
        """The data as JSON takes it."""

    # ------------------------------------------------------------ for sessions

    def enter_kernel(self, store: Store) -> None:
        """From now on the data is in the kernel; called by a session."""
        with self._lock:
            self._kernel = store
            self._moved_in(store)

    def leave_kernel(self, items: Iterable[tuple[bytes, Rows]]) -> None:
        """From now on the data is here again; called by a session.

        Args:
            items: What the kernel held.
        """
        with self._lock:
            self._kernel = None
            self._moved_out(items)

    @property
    def in_kernel(self) -> Store | None:
        """The store in the kernel, while a session is open."""
        return self._kernel

    def count_losses(self, owner: int, count: Callable[[], int]) -> None:
        """Ask ``count`` for an object's lost updates from now on."""
        self._losses[owner] = count

    def keep_losses(self, owner: int) -> None:
        """Remember an object's lost updates, and ask no more."""
        count = self._losses.pop(owner, None)
        if count is not None:
            self._lost += count()

    @abstractmethod
    def _moved_in(self, store: Store) -> None: ...

    @abstractmethod
    def _moved_out(self, items: Iterable[tuple[bytes, Rows]]) -> None: ...

    def _notes(self) -> list[str]:
        """What a reader of the data should know."""
        lost = self.lost
        if not lost:
            return []
        return [f"({lost} updates found no room: max_entries={self._plan.entries})"]
