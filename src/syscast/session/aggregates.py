"""What programs counted by key while the ring was full, taken out of the kernel as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.events.aggregated import Counts, origin_of
from syscast.events.event import boot_time
from syscast.loader.statemaps import StateMaps
from syscast.spec.meta import state_data
from syscast.spec.pressure import AGGREGATED_MAP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syscast.events.aggregated import Aggregated
    from syscast.loader.loaded import LoadedMap
    from syscast.spec.objectspec import ObjectSpec


class Aggregates:
    """The counts of one object.

    Args:
        spec: The object.
        by: Parts of its keys.

    Attributes:
        total: Events in all that was taken out so far.
        wall: Boot clock to wall clock, in ns; to be set by the owner.

    Raises:
        KernelError: The kernel refused a map.
    """

    def __init__(self, spec: ObjectSpec, by: Sequence[str]) -> None:
        specs = {each.name: each for each in spec.maps}
        inner, outer = specs[state_data(AGGREGATED_MAP)], specs[AGGREGATED_MAP]
        assert spec.meta is not None
        self._probes = {each.id: each.probe for each in spec.meta.programs}
        self._schemas = {each.id: each for each in spec.meta.schemas}
        self._by = by
        self._counts: dict[tuple[int, int], Counts] = {}
        self._maps = StateMaps(AGGREGATED_MAP, inner, outer)
        self.total: int = 0
        self.wall: Callable[[int], int] = int

    @property
    def maps(self) -> Mapping[str, LoadedMap]:
        """The maps that the programs name."""
        return self._maps.maps()

    def drain(self) -> list[Aggregated]:
        """Take out what was counted, in the order of its ends; raises KernelError.

        It costs some ms where there is something: the kernel waits until no program uses it.
        """
        return [] if self._maps.empty() else self._events(self._maps.drain())

    def _events(self, rows: Sequence[tuple[bytes, tuple[bytes, ...]]]) -> list[Aggregated]:
        found: list[Aggregated] = []
        for key, (value,) in rows:
            event = self._of(key).event(key, value, self.wall)
            self.total += event.count
            found.append(event)
        found.sort(key=boot_time)
        return found

    def _of(self, key: bytes) -> Counts:
        program, schema = ids = origin_of(key)
        made = self._counts.get(ids)
        if made is None:
            probe = self._probes.get(program, f"program {program}")
            made = self._counts[ids] = Counts(self._schemas[schema], self._by, probe)
        return made

    def close(self) -> None:
        """Close the maps; a second call does nothing."""
        self._maps.close()
