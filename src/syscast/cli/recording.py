"""From a session to a recording, for all commands that trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.session.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.cli.options import Options
    from syscast.events.event import Event
    from syscast.session.recording import Recordable


def record(
    session: Recordable,
    options: Options,
    timeout: float | None,
    accept: Callable[[Event], bool] | None,
) -> Recorder:
    """Record until the session ends or the limits are reached.

    Args:
        session: What is recorded.
        options: Its file and its count.
        timeout: Seconds until the end.
        accept: Says whether an event is wanted; all are if None.

    Returns:
        The recorder, its file closed.

    Raises:
        SinkClosed: Nobody reads any more.
        SinkError: The file cannot be written.
        UsageError: The probes send no events.
    """
    import warnings  # noqa: PLC0415  (recordings only)

    from syscast.errors import LostEventsWarning  # noqa: PLC0415

    with Recorder(session, options.output or "-") as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore", LostEventsWarning)  # the last line says it
        recorder.run(timeout=timeout, count=options.count, accept=accept)
    return recorder
