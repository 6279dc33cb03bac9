"""Put the state that probes share with Python into the kernel, and take it back.

A state object is in the kernel for as long as a session uses it: all objects and sessions that
capture it share its maps. When the last of them closes, what the maps hold moves into the Python
object, where it stays readable.
"""

from __future__ import annotations

from _thread import RLock  # threading costs a start 2 ms
from struct import unpack
from typing import TYPE_CHECKING

from syscast.loader.statemaps import StateMaps
from syscast.spec.meta import RAISED_MAP, state_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syscast.loader.loaded import LoadedMap, LoadedObject
    from syscast.spec.objectspec import ObjectSpec
    from syscast.state.state import State

_lock = RLock()
_used: dict[int, _Use] = {}


class _Use:
    """A state in the kernel and how many objects use it."""

    def __init__(self, state: State, maps: StateMaps) -> None:
        self.state = state
        self.maps = maps
        self.users = 0


class SharedStates:
    """The states of one object.

    Args:
        spec: The object.
        states: Its state objects by the name of their map.

    Attributes:
        states: The same, by what the probes call them.

    Raises:
        KernelError: The kernel refused a map.
    """

    def __init__(self, spec: ObjectSpec, states: Mapping[str, State]) -> None:
        described = {each.name: each for each in spec.meta.states} if spec.meta else {}
        labels = [described[name].label for name in states]
        self.states: dict[str, State] = {
            name if labels.count(label) > 1 else label: state
            for label, (name, state) in zip(labels, states.items(), strict=True)
        }
        self._states: list[State] = []
        self._counted = False
        self._maps: dict[str, LoadedMap] = {}
        try:
            for name, state in states.items():
                with _lock:
                    use = _enter(spec, name, state)
                self._states.append(state)
                plain, data = name, state_data(name)
                held = use.maps.maps()
                names = (data, plain) if state.plan.drained else (plain,)
                self._maps.update(zip(names, held.values(), strict=True))
        except BaseException:
            self.close()
            raise

    @property
    def maps(self) -> dict[str, LoadedMap]:
        """The maps by the object's names for them."""
        return self._maps

    def count_losses(self, loaded: LoadedObject) -> None:
        """Let each state ask the object how many of its updates found no room."""
        meta = loaded.spec.meta
        assert meta is not None
        self._counted = True
        for state, described in zip(self._states, meta.states, strict=True):
            state.count_losses(id(self), _counter(loaded, described.losing))

    def close(self) -> None:
        """Give the states up; call it while the object's maps are open and its programs detached."""
        states, self._states = self._states, []
        for state in states:
            if self._counted:
                state.keep_losses(id(self))
            with _lock:
                _leave(state)


def _enter(spec: ObjectSpec, name: str, state: State) -> _Use:
    use = _used.get(id(state))
    if use is None:
        maps = {each.name: each for each in spec.maps}
        if state.plan.drained:
            made = StateMaps(name, maps[state_data(name)], maps[name])
        else:
            made = StateMaps(name, maps[name], None)
        use = _Use(state, made)
        try:
            state.enter_kernel(made)
        except BaseException:
            state.leave_kernel(made.items())
            made.close()
            raise
        _used[id(state)] = use
    use.users += 1
    return use


def _leave(state: State) -> None:
    use = _used[id(state)]
    use.users -= 1
    if use.users:
        return
    del _used[id(state)]
    try:
        state.leave_kernel(use.maps.settled())
    finally:
        use.maps.close()


def _counter(loaded: LoadedObject, sites: tuple[int, ...]) -> Callable[[], int]:
    def count() -> int:
        raised = loaded.maps.get(RAISED_MAP)
        if raised is None or loaded.closed:
            return 0
        return sum(
            unpack("<Q", value)[0] for site in sites for value in raised.lookup_cpus(site) or ()
        )

    return count
