"""What users write about too many events: limits, budgets, what to do when the ring is full.

``100/s by comm``, ``10/m burst 3 by addr, port``; ``1%``; ``aggregate by pid``. Pure: read and checked before
anything is compiled.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from syscast.errors import UsageError
from syscast.spec.meta import EVENTS_MAP
from syscast.spec.pressure import AGGREGATED_MAP, LIMITS_MAP, PIECES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syscast.spec.meta import SchemaMeta
    from syscast.spec.objectspec import ObjectSpec

_UNITS = {
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = _UNITS["s"]
_WHOLE = "none"
_LIMIT = re.compile(
    r"\s*(?P<count>[^\s/]+)\s*/\s*(?P<unit>[^\s/]+)(?:\s+burst\s+(?P<burst>\S+))?"
    r"(?:\s+by\s+(?P<by>.*))?\s*"
)
_FORM = "write '100/s', '100/s by comm', '10/m burst 5 by addr, port'"
_MAX_BURST = (1 << 32) - 1
_MAX_KEYS = 8
_MOST_NS = 1 << 62


class Limit(msgspec.Struct, frozen=True):
    """A rate that events of one key must not pass for long.

    Attributes:
        step_ns: What one event uses up: the time between two at that rate.
        burst: So many may come at once after a pause.
        by: Parts of the key, of the task or the event; () for one rate for each probe.
    """

    step_ns: int
    burst: int
    by: tuple[str, ...]


def read_limit(text: str) -> Limit:
    """Read a rate, a burst and a key.

    Without a burst, what the rate allows in a second may come at once, or what stands before the
    slash where that is less; always one.

    Raises:
        UsageError: It is malformed.
    """
    found = _LIMIT.fullmatch(str(text))
    if found is None:
        raise UsageError(f"limit '{text}': set: it is no rate ({_FORM})")
    count = _whole(found["count"])
    if count is None or not count:
        raise UsageError(
            f"limit '{text}': set: '{found['count']}' is no number of events (a whole one, from 1; {_FORM})"
        )
    unit = _UNITS.get(found["unit"])
    if unit is None:
        raise UsageError(
            f"limit '{text}': set: '{found['unit']}' is no unit of time (there are {', '.join(_UNITS)})"
        )
    if count > unit:
        raise UsageError(f"limit '{text}': set: it is over one event a nanosecond")
    burst = max(1, min(count, count * _SECOND // unit, _MAX_BURST))
    if found["burst"] is not None:
        wanted = _whole(found["burst"])
        if wanted is None or not 0 < wanted <= _MAX_BURST:
            raise UsageError(
                f"limit '{text}': set: '{found['burst']}' is no burst (a number of events, from 1)"
            )
        burst = wanted
    step = unit // count
    if step * burst >= _MOST_NS:
        raise UsageError(f"limit '{text}': set: the burst would last for over a hundred years")
    by = read_key(found["by"], f"limit '{text}'") if found["by"] is not None else ()
    return Limit(step, burst, by)


def read_key(text: str, subject: str) -> tuple[str, ...]:
    """Read the names behind ``by``; raises UsageError, which begins with the subject."""
    names = tuple(each.strip() for each in text.split(","))
    if names == (_WHOLE,):
        return ()
    for name in names:
        if not name.replace(".", "_").isidentifier():
            raise UsageError(
                f"{subject}: set: '{name}' is no name to go by (a task's {_known(PIECES)}; none; or fields "
                "of the event)"
            )
        if name == _WHOLE:
            raise UsageError(f"{subject}: set: '{_WHOLE}' stands alone (one rate for each probe)")
        if names.count(name) > 1:
            raise UsageError(f"{subject}: set: '{name}' is there twice")
    if len(names) > _MAX_KEYS:
        raise UsageError(
            f"{subject}: set: {len(names)} names are too many to go by (at most {_MAX_KEYS})"
        )
    return names


def read_pressure(text: str) -> tuple[str, ...]:
    """The names of ``aggregate by pid``; by comm where it says none.

    Raises:
        UsageError: Only ``aggregate`` goes by a key.
    """
    word, _, rest = text.partition(" ")
    by, _, names = rest.strip().partition(" ")
    if word != "aggregate" or by not in {"", "by"}:
        raise UsageError(
            f"pressure '{text}': set: only 'aggregate' has more to say (write 'aggregate by comm')"
        )
    return read_key(names, f"pressure '{text}'") if by else ("comm",)


def read_budget(value: str | float) -> float:
    """A share of one CPU's time: 0.01 of ``1%``, or of the number 0.01.

    Raises:
        UsageError: It is none, or not above zero.
    """
    text = str(value).strip()
    percent = isinstance(value, str) and text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or (isinstance(value, str) and not percent) or math.isnan(number):
        raise UsageError(f"budget '{value}': set: it is no share of a CPU's time (write '1%')")
    if not 0 < number <= 1:
        raise UsageError(
            f"budget '{value}': set: it is out of range (above 0%, at most 100% of one CPU)"
        )
    return number


def check_names(schemas: Sequence[SchemaMeta], by: Sequence[str], subject: str) -> None:
    """Refuse names that neither an event nor a task has; raises UsageError."""
    for schema in schemas:
        fields = [field.name for field in schema.fields]
        for name in by:
            if name not in fields and name not in PIECES:
                raise UsageError(
                    f"{subject}: set: event '{schema.name}' has no field '{name}' and a task has none, either "
                    f"({_instead(name, [*fields, *PIECES, _WHOLE])})"
                )


def check_object(spec: ObjectSpec, limit: str | None, pressure: str) -> None:
    """Refuse what an object that was built elsewhere has no code for; raises UsageError."""
    maps = {each.name for each in spec.maps}
    if EVENTS_MAP not in maps:
        return
    for what, wanted, needed in (
        (f"limit '{limit}'", limit is not None, LIMITS_MAP),
        (f"pressure '{pressure}'", pressure.startswith("aggregate"), AGGREGATED_MAP),
    ):
        if wanted and needed not in maps:
            raise UsageError(
                f"{what}: set: object '{spec.name}' was built without it (attach the probes themselves)"
            )


def check_events(
    specs: Sequence[ObjectSpec], pressure: str, limit: str | None, budget: str | float | None
) -> None:
    """Refuse what is said about too many events where probes send none; raises UsageError."""
    if any(each.name == EVENTS_MAP for spec in specs for each in spec.maps):
        return
    wishes = {
        "limit": limit,
        "budget": budget,
        "pressure": None if pressure == "drop" else pressure,
    }
    for what, value in wishes.items():
        if value is not None:
            raise UsageError(
                f"{what} '{value}': set: the probes send no events (they only change their state)"
            )


def _instead(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (only for errors)

    close = get_close_matches(name, known, 3, 0.5)
    return f"did you mean {_known(close, ' or ')}?" if close else f"there are {_known(known)}"


def _known(names: Sequence[str] | dict[str, int], between: str = ", ") -> str:
    return between.join(names)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
