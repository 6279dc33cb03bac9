"""State objects from what a built object says of its own; the Python that declared them is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol, cast

from syscast.errors import FormatError, SyscastError
from syscast.events.fields import type_of
from syscast.state.counter import Counter, TopK
from syscast.state.histogram import LinearHist, Log2Hist
from syscast.state.maps import (
    Array,
    Hash,
    LruHash,
    LruPerCpuHash,
    PerCpuArray,
    PerCpuHash,
    Var,
)
from syscast.state.stacks import Stacks
from syscast.state.statistics import Max, Mean, Min, Sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.spec.meta import FieldMeta, StateMeta
    from syscast.state.state import State

    class _Maker(Protocol):
        def __call__(self, **options: int | str) -> State: ...


_CLASSES: dict[str, type[State]] = {
    each.__name__: each
    for each in (
        *(Hash, LruHash, PerCpuHash, LruPerCpuHash, Array, PerCpuArray, Var),
        *(Counter, TopK, Log2Hist, LinearHist, Sum, Min, Max, Mean, Stacks),
    )
}


def from_meta(meta: StateMeta) -> State:
    """Make the object that a description is of; structs come as tuples.

    Raises:
        FormatError: It describes nothing that there is.
    """
    cls = _CLASSES.get(meta.kind)
    if cls is None:
        raise FormatError(f"state '{meta.name}': read: '{meta.kind}' is not known")
    types = [_annotation(each) for each in (meta.key, meta.value) if each]
    try:
        made = cls.__class_getitem__(tuple(types)) if types else cls
        return cast("_Maker", made)(**meta.options)
    except (SyscastError, TypeError) as error:
        raise FormatError(f"state '{meta.name}': read: {error}") from None


def _annotation(fields: Sequence[FieldMeta]) -> object:
    parts = [Annotated[object, type_of(field)] for field in fields]
    return (
        parts[0]
        if len(parts) == 1 and not fields[0].name
        else tuple.__class_getitem__(tuple(parts))
    )
